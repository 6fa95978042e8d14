"""The run-time type checker of the tests: a whole number may stand for a real one, as in Python.

jaxtyping's own wrapper binds the signature, looks at the arguments, calls, and looks at them again
with the result. One pass around the call, in which axes keep their names from the arguments to the
result, finds the same for a quarter of the time.
"""

import functools
import inspect
from collections.abc import Callable

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))
thorough = jaxtyping.jaxtyped
axes = thorough("context")


def jaxtyped(typechecker: Callable) -> Callable:
    """Decorators that jaxtyping's import hook adds to every function and class."""

    def decorate(thing: Callable) -> Callable:
        if inspect.isclass(thing) or inspect.isgeneratorfunction(thing):
            return thorough(thing, typechecker=typechecker)
        if not thing.__annotations__:
            return thing
        check: Callable | None = None

        @functools.wraps(thing)
        def call(*arguments, **named):
            __tracebackhide__ = True
            nonlocal check
            if check is None:  # most of what is imported is never called
                check = typechecker(thing)
            with axes:
                return check(*arguments, **named)

        return call

    return decorate


def install(*packages: str) -> None:
    """Check every call of what is imported from these packages from now on."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook(packages, "typecheck.checked")
