"""A form of the encoder that may suit a GPU: the channels last in memory, as its matrix units want them"""

import torch.nn.functional as F
from torch import channels_last

from hysp.stgcn import Block, GraphConv


class ChannelsLastGraphConv(GraphConv):
    "Graph convolution whose channels are last in memory: neighbours are gathered, then weighed"

    def forward(self, x, A):
        N, C, T, V = x.shape
        K = self.parts
        frames = x.permute(0, 2, 3, 1).reshape(N * T, V, C)
        gatherings = A.permute(2, 0, 1).reshape(V * K, V)
        gathered = (gatherings @ frames).view(N, T, V, K * C)
        weight = self.conv.weight.view(K, -1, C).transpose(0, 1).reshape(-1, K * C)
        bias = self.conv.bias.view(K, -1).T @ A.sum(1)
        y = F.linear(gathered, weight) + bias.T
        return y.permute(0, 3, 1, 2)


def lay_channels_last(model):
    "The same model, changed in place: graph convolutions and weights with the channels last"
    for block in model.modules():
        if isinstance(block, Block):
            block.gcn.__class__ = ChannelsLastGraphConv
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=channels_last)
    return model
