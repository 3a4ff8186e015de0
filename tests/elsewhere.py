"""A second device for a machine without one: its tensors hold numbers, and torch refuses to mix them with others.

torch leaves room for one backend written in Python. This one, called "elsewhere", computes on the CPU, so that its
answers are the CPU's to the last bit, and refuses what a GPU refuses: tensors of two devices in one operation, a
generator of the other device, NumPy. With `float64=False` it has no float64, as MPS has none.

    with Elsewhere():
        x = torch.randn(4, 2).to("elsewhere")       # x + torch.ones(2) raises

FakeTensorMode would do without a backend of its own, but its tensors hold no numbers, so that `.item()`, `if` and every
check of values fail under it, and without CUDA a backward pass ends the process.
"""

from functools import cache

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "elsewhere"


class Module(_DummyBackendModule):
    """What torch asks of `torch.elsewhere`: its random numbers are those of the CPU's own generator."""

    get_rng_state = staticmethod(lambda device=None: torch.get_rng_state())
    set_rng_state = staticmethod(lambda state, device=None: torch.set_rng_state(state))


_setup_privateuseone_for_python_backend(NAME, Module())

aten = torch.ops.aten
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
STRICT = ("lerp", "addcmul", "addcdiv")  # elementwise, but without an exception for numbers on the CPU
TO_ANY = (aten.copy_.default, aten._copy_from.default)
NESTED = (list, tuple)
RESHAPES = (aten.squeeze_.dim, aten.squeeze_.default, aten.unsqueeze_.default, aten.t_.default, aten.transpose_.default)


class Far(torch.Tensor):
    """A tensor of the device: a shape, a dtype and the name of the device outside, a tensor of the CPU inside."""

    @staticmethod
    def __new__(cls, near: torch.Tensor):
        look = {"strides": near.stride(), "storage_offset": near.storage_offset(), "dtype": near.dtype}
        far = torch.Tensor._make_wrapper_subclass(cls, near.size(), device=f"{NAME}:0", requires_grad=False, **look)
        far.near = near
        return far

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), kwargs=None):
        return computed(function, arguments, kwargs or {})

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self, *_, **__):
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    def __format__(self, how):
        return format(self.item() if self.ndim == 0 else self.cpu(), how)

    def __repr__(self):
        return f"Far({self.near})"


class Elsewhere(TorchDispatchMode):
    """Inside it torch makes tensors of the device wherever it is asked to."""

    def __init__(self, float64: bool = True):
        super().__init__()
        self.float64 = float64

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # nothing is compiled here, and what keeps the compiler away takes its time in every operation

    def __enter__(self):
        self.before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # or torch.tensor(..., device=...) would pass this mode by
        self.overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # net.double() makes new weights, for old ones
        return super().__enter__()  # would keep what is inside of them

    def __exit__(self, *error):
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self.before)
        torch.__future__.set_overwrite_module_params_on_conversion(self.overwrite)

    def __torch_dispatch__(self, function, types, arguments=(), kwargs=None):
        return computed(function, arguments, kwargs or {}, self.float64)


def leaves_of(values):
    """What lists and tuples hold, at any depth. torch's own trees take most of the time of a small operation."""
    leaves = []
    for value in values:
        if isinstance(value, NESTED):
            leaves += leaves_of(value)
        else:
            leaves.append(value)
    return leaves


def mapped(change, value):
    """The value, with every leaf changed."""
    if isinstance(value, NESTED):
        return type(value)([mapped(change, part) for part in value])
    return change(value)


def computed(function, arguments, kwargs, float64: bool = True):
    """function(*arguments, **kwargs) on the CPU, wrapped where its answer belongs to the device."""
    device = kwargs.get("device")
    leaves = leaves_of((*arguments, *kwargs.values()))
    far = [leaf for leaf in leaves if isinstance(leaf, Far)]
    made_here = device is not None and torch.device(device).type == NAME
    if not far and not made_here:
        return function(*arguments, **kwargs)
    if far:
        refuse_two_devices(function, arguments, leaves)
    refuse_generators(function, leaves, made_here or function not in TO_ANY)
    near = lambda leaf: leaf.near if isinstance(leaf, Far) else leaf
    named = {name: mapped(near, value) for name, value in kwargs.items()}
    answer = function(*mapped(near, arguments), **(named | {"device": "cpu"} if device is not None else named))
    if device is not None and not made_here:
        return answer
    homes = {id(tensor.near): tensor for tensor in far}  # what is changed in place stays the tensor that it was

    def wrapped(value):
        if not isinstance(value, torch.Tensor):
            return value
        if value.dtype == torch.float64 and not float64:
            raise TypeError(f"Cannot convert a tensor of {NAME} to float64, which it does not have ({function})")
        return homes.get(id(value)) if id(value) in homes else Far(value)

    cpu_first = function in TO_ANY and not isinstance(leaves[0], Far)
    answer = answer if cpu_first else mapped(wrapped, answer)
    if function in RESHAPES:
        with torch._C._AutoDispatchBelowAutograd(), torch._C._DisableTorchDispatch():
            function(far[0], *arguments[1:])  # the shape outside too
    for tensor in far:
        assert tensor.shape == tensor.near.shape, f"{function} changed a shape in place"
    return answer


def refuse_two_devices(function, arguments, leaves):
    """As CUDA does: a number of the CPU (0 dimensions) may stand in elementwise operations, an index in brackets."""
    if function in TO_ANY:
        return
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if function in INDEXED and isinstance(arguments[0], Far):
        tensors = [arguments[0], *(v for v in arguments[2:] if isinstance(v, torch.Tensor) and v.ndim)]
    strangers = [tensor for tensor in tensors if not isinstance(tensor, Far)]
    if strangers and lenient(function):
        strangers = [tensor for tensor in strangers if tensor.ndim]
    if strangers:
        shapes = [(tuple(tensor.shape), tensor.device.type) for tensor in tensors]
        raise RuntimeError(f"Expected all tensors to be on the same device, got {shapes} in {function}")


@cache
def lenient(function):
    """May numbers of the CPU (0 dimensions) stand in it?"""
    name = function.overloadpacket.__name__.rstrip("_")
    return name not in STRICT and (torch.Tag.pointwise in function.tags or name in ("where", "masked_fill", "fill"))


def refuse_generators(function, leaves, matters):
    for leaf in leaves:
        if matters and type(leaf) is torch.Generator:
            raise RuntimeError(
                f"Expected a '{NAME}' device type for generator but found '{leaf.device.type}' in {function}"
            )
