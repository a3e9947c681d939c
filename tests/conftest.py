"Drawn examples are the same in every run, so that a commit passes or does not; `make pytest ARGS='--hypothesis-profile default'` draws new ones"
from hypothesis import settings

settings.register_profile('same', derandomize=True)
settings.load_profile('same')
