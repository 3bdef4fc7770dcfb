#!/usr/bin/env python3
"""Write down the importable API of an installed package, or hold a package against such a list.

    api_manifest.py dump PACKAGE > manifest.json
    api_manifest.py diff manifest.json PACKAGE [--modules PREFIX ... | --exact MODULE ...]

A manifest holds names, kinds and call signatures only.  ``diff`` imports every module that the
manifest lists and prints one line for each name that is missing, is of another kind, or cannot be
called with a call that the manifest's signature allows.  It ends with a count and exits 1 where
anything is printed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path


def signature_of(obj):
    try:
        sig = inspect.signature(obj)
    except (TypeError, ValueError):
        return None
    return [
        [p.name, p.kind.name, p.default is not inspect.Parameter.empty]
        for p in sig.parameters.values()
    ]


def describe(obj):
    if inspect.isclass(obj):
        members = {}
        for name in dir(obj):
            if name.startswith("_") and name not in ("__init__", "__call__"):
                continue
            try:
                static = inspect.getattr_static(obj, name)
                value = getattr(obj, name)
            except Exception:  # a descriptor that needs an instance
                continue
            owner = next((k for k in obj.__mro__ if name in vars(k)), None)
            if owner is None or owner.__module__.split(".")[0] != obj.__module__.split(".")[0]:
                continue  # inherited from outside the package
            kind = "method" if callable(value) else "attribute"
            if isinstance(static, property):
                kind = "attribute"
            members[name] = {"kind": kind}
            if kind == "method":
                members[name]["signature"] = signature_of(value)
        return {"kind": "class", "signature": signature_of(obj), "members": members}
    if callable(obj):
        return {"kind": "callable", "signature": signature_of(obj)}
    return {"kind": "value"}


def modules_of(package):
    yield package.__name__
    for info in pkgutil.walk_packages(
        package.__path__, package.__name__ + ".", onerror=lambda _: None
    ):
        yield info.name


def dump(package_name):
    package = importlib.import_module(package_name)
    out, skipped = {}, {}
    for name in sorted(set(modules_of(package))):
        try:
            module = importlib.import_module(name)
        except Exception as exc:  # a module whose optional dependency is absent
            skipped[name] = f"{type(exc).__name__}: {exc}"
            continue
        exported = getattr(module, "__all__", None)
        names = {}
        for attr in sorted(set(exported or ()) | set(dir(module))):
            if attr.startswith("_"):
                continue
            try:
                obj = getattr(module, attr)
            except AttributeError:
                continue
            if inspect.ismodule(obj):
                continue
            home = str(getattr(obj, "__module__", None) or name)
            here = home == name or (hasattr(module, "__path__") and home.startswith(name + "."))
            if not (exported and attr in exported) and not here:
                continue
            names[attr] = describe(obj) | {"exported": bool(exported and attr in exported)}
        out[name] = names
    return {"package": package_name, "modules": out, "not_importable": skipped}


def accepts(wanted, have):
    """Can every call that `wanted` allows also be made of `have`?  None is not known: yes."""
    if wanted is None or have is None:
        return None
    kinds = {k for _, k, _ in have}
    var_pos, var_kw = "VAR_POSITIONAL" in kinds, "VAR_KEYWORD" in kinds
    have_names = {n: (k, d) for n, k, d in have}
    wanted_names = {n for n, _, _ in wanted}
    named = {n for n, k, _ in wanted if k in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")} - {
        "self",
        "cls",
    }
    if len(named) > 1 and not (named & set(have_names)) and (var_pos or var_kw):
        return f"a catch-all where {sorted(named)} are named"
    for name, kind, _ in wanted:
        if kind in ("VAR_POSITIONAL",) and not var_pos:
            return "takes no *args"
        if kind == "VAR_KEYWORD" and not var_kw:
            return "takes no **kwargs"
        if (
            kind in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
            and name not in have_names
            and not var_kw
        ):
            return f"no parameter {name!r}"
    positional = [n for n, k, _ in wanted if k in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    have_positional = [n for n, k, _ in have if k in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    if not var_pos and have_positional[: len(positional)] != positional:
        if len(have_positional) < len(positional):
            return "fewer positional parameters"
        return f"positional order {have_positional[: len(positional)]} not {positional}"
    for name, kind, has_default in have:
        if kind in ("VAR_POSITIONAL", "VAR_KEYWORD") or has_default:
            continue
        if name not in wanted_names:
            return f"needs {name!r}"
        if next(d for n, _, d in wanted if n == name):
            return f"{name!r} has no default"
    return None


def compare(path, want, have):
    if have["kind"] != want["kind"] and {have["kind"], want["kind"]} != {"class", "callable"}:
        if want["kind"] != "value":
            yield f"{path}: is a {have['kind']}, not a {want['kind']}"
        return
    problem = accepts(want.get("signature"), have.get("signature"))
    if problem:
        yield f"{path}: {problem}"
    for name, member in want.get("members", {}).items():
        if name == "__init__":
            continue
        if have["kind"] == "class" and name not in have["members"]:
            yield f"{path}.{name}: missing"
        elif have["kind"] == "class" and member["kind"] == "method":
            other = have["members"][name]
            problem = accepts(member.get("signature"), other.get("signature"))
            if problem:
                yield f"{path}.{name}: {problem}"


def differences(manifest, package_name, modules=None):
    """One line for each difference, of all modules of the manifest or of those given."""
    for module_name, names in manifest["modules"].items():
        if modules is not None and module_name not in modules:
            continue
        local = module_name.replace(manifest["package"], package_name, 1)
        try:
            module = importlib.import_module(local)
        except Exception as exc:
            yield f"{local}: not importable ({type(exc).__name__}: {exc}); {len(names)} names"
            continue
        for name, want in names.items():
            try:
                obj = getattr(module, name)
            except AttributeError:
                yield f"{local}.{name}: missing"
                continue
            yield from compare(f"{local}.{name}", want, describe(obj))


def diff(manifest_path, package_name, prefixes, exact):
    manifest = json.loads(Path(manifest_path).read_text())
    modules = [
        name
        for name in manifest["modules"]
        if (not exact or name in exact)
        and (not prefixes or any(name == p or name.startswith(p + ".") for p in prefixes))
    ]
    lines = list(differences(manifest, package_name, modules))
    print(*lines, sep="\n")
    total = sum(1 + len(manifest["modules"][name]) for name in modules)
    print(f"{len(lines)} differences; {total} modules and names compared")
    return 1 if lines else 0


def main(argv):
    if len(argv) == 3 and argv[1] == "dump":
        json.dump(dump(argv[2]), sys.stdout, indent=1, sort_keys=True)
        return 0
    if len(argv) >= 4 and argv[1] == "diff":
        option = argv[4] if len(argv) > 4 else None
        if option in (None, "--modules", "--exact"):
            prefixes = argv[5:] if option == "--modules" else []
            exact = set(argv[5:]) if option == "--exact" else set()
            return diff(argv[2], argv[3], prefixes, exact)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
