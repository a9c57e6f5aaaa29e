"""Pickles made to run code, or to take memory or time without end."""


def attacks(witness):
    """Return pickles that create the file `witness` if anything in them runs, or attack NumPy."""
    command = f"touch {witness}".encode()
    shell, python = (
        b"U%c" % len(text) + text for text in (command, b"open('%s','w')" % str(witness).encode())
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\n"
    dtype = (
        b"cnumpy\ndtype\nU\x02%sK\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state = b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85"
    return {
        "GLOBAL os.system": b"\x80\x02cos\nsystem\n" + shell + b"\x85R.",
        "GLOBAL posix.system": b"\x80\x02cposix\nsystem\n" + shell + b"\x85R.",
        "GLOBAL eval": b"\x80\x02c__builtin__\neval\n" + python + b"\x85R.",
        "STACK_GLOBAL os.system": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + shell + b"\x85R.",
        "STACK_GLOBAL dotted": b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93"
        + shell
        + b"\x85R.",
        "INST": b"(S'touch " + str(witness).encode() + b"'\nios\nsystem\n.",
        "OBJ": b"\x80\x02(cos\nsystem\n" + shell + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + shell + b"\x85\x81.",
        "in the data": b"\x80\x02}(U\x04datacos\nsystem\n" + shell + b"\x85Ru.",
        "beside the data": b"\x80\x02}(U\x04extracos\nsystem\n" + shell + b"\x85Ru.",
        "reconstruct another class": b"\x80\x02"
        + array
        + b"cos\nsystem\n"
        + shell
        + b"\x85U\x01b\x87R.",
        "REDUCE of a dtype": b"\x80\x02cnumpy\ndtype\n" + shell + b"\x85R.",
        "numpy's runstring": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n"
        + python
        + b"}\x86R.",
        "numpy.load": b"\x80\x02cnumpy\nload\n" + shell + b"\x85R.",
        "numpy.core.multiarray.scalar": b"\x80\x02cnumpy.core.multiarray\nscalar\n"
        + dtype % b"O8"
        + shell
        + b"\x86R.",
        "array of objects": b"\x80\x02" + array + state + dtype % b"O8" + b"\x89](Neetb.",
        "array of pointers": b"\x80\x02"
        + array
        + state
        + dtype % b"O8"
        + b"\x89U\x08\x41\x41\x41\x41\x00\x00\x00\x00tb.",
        "dtype with a hostile state": (
            b"\x80\x02cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03cos\nsystem\ntb."
        ),
        "BUILD of attributes": b"\x80\x02cnumpy\nndarray\n}U\x09__class__cos\nsystem\nsb.",
        "_codecs.encode": b"\x80\x02c_codecs\nencode\n" + shell + b"U\x06latin1\x86R.",
        "copyreg": b"\x80\x02ccopy_reg\n_reconstructor\ncos\nsystem\n\x85R.",
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent id": b"Pos.system\n.",
        "binary persistent id": b"\x80\x02" + shell + b"Q.",
        "out-of-band buffer": b"\x80\x05\x97.",
        "float": b"\x80\x02G" + bytes(8) + b".",
    }


SMALL_BOMBS = {
    "memo index": b"\x80\x02Nr\xff\xff\xff\xff0.",
    "string length": b"\x80\x02T\xff\xff\xff\x7f.",
    "negative length": b"\x80\x02T\xff\xff\xff\xff.",
    "eight-byte length": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    "frame length": b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
    "lists without end": b"\x80\x02" + b"]" * 200_000,
    "dictionaries without end": b"\x80\x02" + b"}" * 200_000,
    "marks without end": b"\x80\x02" + b"(" * 200_000,
    "deep tuples": b"\x80\x02N" + b"\x85" * 30_000 + b".",
    "deep lists": b"\x80\x02" + b"](" * 15_000 + b"e" * 15_000 + b".",
    "list in itself": b"\x80\x02]q\x01(h\x01h\x01e.",
    "dictionary in itself": b"\x80\x02}q\x01(U\x04datah\x01U\x06labelsh\x01u.",
    "doubled tuples": b"\x80\x02N" + b"q\x01h\x01\x86" * 10_000 + b".",
    "doubled tuples as a key": b"\x80\x02}N" + b"q\x01h\x01\x86" * 60 + b"Ns.",
    "doubled tuples as labels": b"\x80\x02}(U\x04dataNU\x06labelsN"
    + b"q\x01h\x01\x86" * 60
    + b"u.",
    "long key again and again": b"\x80\x02T\x00\x00\x0c\x00"
    + bytes(0xC0000)
    + b"q\x01}"
    + b"h\x01Ns" * 1000
    + b".",
    "digits without end": b"I" + b"9" * 1_000_000 + b"\n.",
    "name without end": b"c" + b"n" * 200_000,
}
