"""Reads the pickles of data sets without running anything from them: containers, ints, strings, uint8 arrays."""
import pickle
from typing import NamedTuple


class Array(NamedTuple):
    """A uint8 array as its pickle describes it: shape and data are not checked against each other."""

    shape: tuple
    fortran: bool
    data: bytes


_INTS = {pickle.BININT1: 1, pickle.BININT2: 2, pickle.BININT: 4}  # opcode -> bytes of its number
_STRINGS = {pickle.SHORT_BINSTRING: 1, pickle.SHORT_BINBYTES: 1, pickle.SHORT_BINUNICODE: 1}  # ... of its length
_STRINGS |= {pickle.BINSTRING: 4, pickle.BINBYTES: 4, pickle.BINUNICODE: 4}
_PUTS, _GETS = {pickle.BINPUT: 1, pickle.LONG_BINPUT: 4}, {pickle.BINGET: 1, pickle.LONG_BINGET: 4}
_SKIPPED = {pickle.PROTO: 1, pickle.FRAME: 8}
_NEW = {pickle.EMPTY_DICT: dict, pickle.EMPTY_LIST: list, pickle.EMPTY_TUPLE: tuple}
_NEW |= {pickle.NONE: lambda: None, pickle.NEWTRUE: lambda: True, pickle.NEWFALSE: lambda: False}
_POPS = {pickle.TUPLE: None, pickle.APPENDS: None, pickle.SETITEMS: None}  # None: all items since the last mark
_POPS |= {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3, pickle.APPEND: 1, pickle.SETITEM: 2}
_POPS |= {pickle.STACK_GLOBAL: 2, pickle.REDUCE: 2, pickle.BUILD: 2, pickle.STOP: 1}
_GLOBALS = {f"numpy.{core}.multiarray._reconstruct": "reconstruct" for core in ("core", "_core")}
_GLOBALS |= {"numpy.ndarray": "ndarray", "numpy.dtype": "dtype"}


def unpickle(data, max_steps):
    """What a pickle (bytes, protocol 2 to 4) of containers, ints, strings and uint8 arrays describes; nothing is run.

    An interpreter for the opcodes that such pickles consist of; it has no import and no call. The NumPy names in the
    pickle of an array become marks on the stack (a str, while all text of the file stays bytes), and the array an
    Array. Keys of dictionaries are short strings, because a tuple of tuples can be made that takes ages to hash.
    Strings over 255 bytes are views into `data`. A step takes time and memory in proportion to the bytes it reads or
    the items it removes. Raises UnpicklingError, LookupError, ValueError, TypeError or AttributeError for all else.
    """
    view, position = memoryview(data), 0
    stack, outer, memo = [], [], {}

    def take(n):
        nonlocal position
        position += n
        if position > len(view):
            raise pickle.UnpicklingError("it ends too early")
        return view[position - n : position]

    def number(width, signed=False):
        return int.from_bytes(take(width), "little", signed=signed)

    def line():
        return bytes(take(data.index(b"\n", position) + 1 - position))[:-1]

    def known(module, name):
        full = f"{module.decode()}.{name.decode()}"
        if full not in _GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {full[:80]!a}, which no data set needs; nothing was run")
        return _GLOBALS[full]

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
                        raise pickle.UnpicklingError("a key of a dictionary is no short string")
                    stack[-1].update(zip(items[::2], items[1::2], strict=True))
                case pickle.STACK_GLOBAL, _:
                    stack.append(known(*items))
                case pickle.REDUCE, ["reconstruct", ("ndarray", *_)]:
                    stack.append("array")
                case pickle.REDUCE, ["dtype", (b"u1", *_)]:
                    stack.append("uint8")
                case pickle.BUILD, ["uint8", _]:  # byte order and the like: nothing that a single byte has
                    stack.append("uint8")
                case pickle.BUILD, ["array", (1, shape, "uint8", fortran, (bytes() | memoryview()) as pixels)]:
                    stack.append(Array(shape, fortran, pixels))
                case pickle.STOP, [content]:
                    return content
                case _:
                    raise pickle.UnpicklingError("it holds an object other than a uint8 array")
        else:
            raise pickle.UnpicklingError(f"it uses the opcode {opcode!a}, which no data set needs; nothing was run")
    raise pickle.UnpicklingError(f"its pickle has more than {max_steps} steps")
