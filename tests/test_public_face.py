"""What `import musicavqa` offers: every verb of the command line, typed and told."""

import subprocess
import sys

import pytest

import musicavqa


def test_every_public_name_is_there():
    for name in musicavqa.__all__:
        assert callable(getattr(musicavqa, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'sing'"):
        _ = musicavqa.sing


def test_the_verb_ask_is_not_hidden_by_the_room_of_that_name():
    code = "import musicavqa, musicavqa.ask.timeline; from musicavqa.ask import asking;"
    code += "assert musicavqa.ask is asking.ask"
    subprocess.run([sys.executable, "-c", code], check=True)
