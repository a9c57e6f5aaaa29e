"""Read pickles of containers, ints, strings, arrays and tensors; no code in them is executed.

Python's Unpickler with a restricted `find_class` executes no code either, but a file can make it
hang. A memo index of 2**27 takes 2 GB and 20 s. A dictionary key of forty nested tuples, in
300 bytes, takes hours to hash. A list of allowed opcodes cannot exclude such keys.
"""

import pickle
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(eq=False)
class Array:
    """An array as its pickle describes it. Its shape and data may be missing or inconsistent."""

    shape: tuple = ()
    fortran: bool = False
    data: bytes = b""  # or Latin1
    dtype: str = "uint8"  # or int64, little-endian


class Latin1(NamedTuple):
    """Bytes as protocol 2 stores them: Latin-1 characters in UTF-8. They are decoded when used."""

    text: bytes


class Storage(NamedTuple):
    """The storage of a torch tensor: a file of int64 numbers in the same archive."""

    key: bytes


class Tensor(NamedTuple):
    """A torch tensor as its pickle describes it, in elements. Its values are not checked."""

    storage: Storage
    offset: int
    size: tuple
    stride: tuple


# Bytes of an opcode's number, or of the length of its string.
_INTS = {pickle.BININT1: 1, pickle.BININT2: 2, pickle.BININT: 4}
_STRINGS = {pickle.SHORT_BINSTRING: 1, pickle.SHORT_BINBYTES: 1, pickle.SHORT_BINUNICODE: 1}
_STRINGS |= {pickle.BINSTRING: 4, pickle.BINBYTES: 4, pickle.BINUNICODE: 4}
_PUTS, _GETS = {pickle.BINPUT: 1, pickle.LONG_BINPUT: 4}, {pickle.BINGET: 1, pickle.LONG_BINGET: 4}
_SKIPPED = {pickle.PROTO: 1, pickle.FRAME: 8}
_NEW = {pickle.EMPTY_DICT: dict, pickle.EMPTY_LIST: list, pickle.EMPTY_TUPLE: tuple}
_NEW |= {pickle.NONE: lambda: None, pickle.NEWTRUE: lambda: True, pickle.NEWFALSE: lambda: False}
# Number of items that an opcode removes from the stack; None for all items since the last mark.
_POPS = {pickle.TUPLE: None, pickle.APPENDS: None, pickle.SETITEMS: None}
_POPS |= {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3, pickle.APPEND: 1, pickle.SETITEM: 2}
_POPS |= {
    pickle.STACK_GLOBAL: 2,
    pickle.REDUCE: 2,
    pickle.BUILD: 2,
    pickle.BINPERSID: 1,
    pickle.STOP: 1,
}
_GLOBALS = {f"numpy.{core}.multiarray._reconstruct": "reconstruct" for core in ("core", "_core")}
_GLOBALS |= {"numpy.ndarray": "ndarray", "numpy.dtype": "dtype"}
_TORCH = _GLOBALS | {"_codecs.encode": "encode", "collections.OrderedDict": "ordered"}
_TORCH |= {"torch.LongStorage": "long", "torch._utils._rebuild_tensor_v2": "tensor"}
_DTYPES = {b"u1": "uint8", b"i8": "int64"}


def unpickle(data: bytes, max_steps: int, torch: bool = False) -> Any:
    """Read a pickle (protocol 2 to 4) of containers, ints, strings and uint8 arrays.

    This interpreter knows only the opcodes of such pickles. It cannot import or call anything. The
    NumPy names in the pickle of an array become marks of type str on the stack. All text of the
    file stays bytes, and strings of more than 255 bytes are views into `data`. Dictionary keys must
    be short strings, because nested tuples may take hours to hash. A step takes time and memory in
    proportion to the bytes that it reads, or to the items that it removes.

    Parameters
    ----------
    data : bytes
        The pickle.
    max_steps : int
        Largest number of opcodes.
    torch : bool
        Whether to read also int64 arrays, and tensors as torch.save writes them.

    Raises
    ------
    UnpicklingError, LookupError, ValueError, TypeError, AttributeError
        The pickle is damaged or contains other objects.
    """
    view, position = memoryview(data), 0
    names, dtypes = (_TORCH, ("uint8", "int64")) if torch else (_GLOBALS, ("uint8",))
    stack, outer, memo = [], [], {}

    def take(n: int) -> memoryview:
        nonlocal position
        position += n
        if position > len(view):
            raise pickle.UnpicklingError("it ends too early")
        return view[position - n : position]

    def number(width: int, signed: bool = False) -> int:
        return int.from_bytes(take(width), "little", signed=signed)

    def line() -> bytes:
        return bytes(take(data.index(b"\n", position) + 1 - position))[:-1]

    def known(module: bytes, name: bytes) -> str:
        full = f"{module.decode()}.{name.decode()}"
        if full not in names:
            raise pickle.UnpicklingError(
                f"it refers to {full[:80]!a}, which no data set needs; nothing was executed"
            )
        return names[full]

    for _ in range(max_steps):
        opcode = bytes(take(1))
        if opcode in _INTS:
            stack.append(number(_INTS[opcode], signed=opcode == pickle.BININT))
        elif opcode in _STRINGS:
            text = take(number(_STRINGS[opcode]))
            stack.append(bytes(text) if len(text) < 256 else text)
        elif opcode in _PUTS:
            memo[number(_PUTS[opcode])] = stack[-1]
        elif opcode == pickle.MEMOIZE:
            memo[len(memo)] = stack[-1]
        elif opcode in _GETS:
            stack.append(memo[number(_GETS[opcode])])
        elif opcode in _SKIPPED:
            take(_SKIPPED[opcode])
        elif opcode in _NEW:
            stack.append(_NEW[opcode]())
        elif opcode == pickle.MARK:
            outer.append(stack)
            stack = []
        elif opcode == pickle.GLOBAL:
            stack.append(known(line(), line()))
        elif opcode in _POPS:
            if _POPS[opcode] is None:
                items, stack = stack, outer.pop()
            else:
                items = [stack.pop() for _ in range(_POPS[opcode])][::-1]
            match opcode, items:
                case pickle.TUPLE | pickle.TUPLE1 | pickle.TUPLE2 | pickle.TUPLE3, _:
                    stack.append(tuple(items))
                case pickle.APPEND | pickle.APPENDS, _:
                    stack[-1].extend(items)
                case pickle.SETITEM | pickle.SETITEMS, _:
                    if not all(type(key) is bytes for key in items[::2]):
                        raise pickle.UnpicklingError("a dictionary key is not a short string")
                    stack[-1].update(zip(items[::2], items[1::2], strict=True))
                case pickle.STACK_GLOBAL, _:
                    stack.append(known(*items))
                case pickle.REDUCE, ["reconstruct", ("ndarray", *_)]:
                    stack.append(Array())
                case pickle.REDUCE, ["dtype", (bytes() as code, *_)] if _DTYPES.get(code) in dtypes:
                    stack.append(_DTYPES[code])
                case pickle.BUILD, ["uint8", _]:  # the byte order, which a single byte lacks
                    stack.append("uint8")
                case pickle.BUILD, ["int64", (_, b"<", *_)]:
                    stack.append("int64")
                case pickle.BUILD, [
                    Array() as array,
                    (
                        1,
                        shape,
                        ("uint8" | "int64") as dtype,
                        fortran,
                        (bytes() | memoryview() | Latin1()) as content,
                    ),
                ]:
                    array.shape, array.fortran = shape, fortran
                    array.data, array.dtype = content, dtype
                    stack.append(array)  # the same object as before, which the memo may hold
                case pickle.REDUCE, ["encode", ((bytes() | memoryview()) as text, b"latin1")]:
                    stack.append(Latin1(text))
                case pickle.REDUCE, ["ordered", ()]:
                    stack.append({})
                case pickle.BINPERSID, [(b"storage", "long", bytes() as key, _, int())]:
                    stack.append(Storage(key))
                case pickle.REDUCE, [
                    "tensor",
                    (Storage() as storage, int() as offset, size, stride, *_),
                ]:
                    stack.append(Tensor(storage, offset, size, stride))
                case pickle.STOP, [content]:
                    return content
                case _:
                    raise pickle.UnpicklingError(
                        f"it holds an object other than a {' or '.join(dtypes)} array"
                    )
        else:
            raise pickle.UnpicklingError(
                f"it uses the opcode {opcode!a}, which no data set needs; nothing was executed"
            )
    raise pickle.UnpicklingError(f"its pickle has more than {max_steps} steps")
