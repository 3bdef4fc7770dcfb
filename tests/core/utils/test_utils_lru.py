from __future__ import annotations

import copy
import pickle
import threading

import pytest

from kombu.utils.functional import LRUCache, memoize


def test_the_item_used_longest_ago_makes_way() -> None:
    cache: LRUCache[str, int] = LRUCache(limit=2)
    cache["a"], cache["b"] = 1, 2
    assert cache["a"] == 1
    cache["c"] = 3
    assert list(cache) == ["a", "c"]
    cache["a"] = 4
    cache["d"] = 5
    assert list(cache.items()) == [("a", 4), ("d", 5)]
    assert cache.get("a") == 4
    assert cache.get("c", "gone") == "gone"
    assert "c" not in cache
    assert list(cache) == ["d", "a"]


@pytest.mark.parametrize("limit", [None, 0])
def test_without_a_limit_it_keeps_everything(limit: int | None) -> None:
    cache: LRUCache[int, int] = LRUCache(limit=limit)
    cache.update((n, n) for n in range(1000))
    assert len(cache) == 1000


def test_update_keeps_to_the_limit() -> None:
    cache: LRUCache[str, int] = LRUCache(2)
    cache.update({"a": 1, "b": 2}, c=3)
    assert dict(cache) == {"b": 2, "c": 3}
    assert cache == {"b": 2, "c": 3}


def test_its_views_are_copies() -> None:
    cache: LRUCache[str, int] = LRUCache()
    cache.update(a=1, b=2)
    for key in cache:
        cache[f"{key}{key}"] = 0
    for _, _ in cache.items():
        cache["new"] = 0
    assert list(cache.keys()) == ["a", "b", "aa", "bb", "new"]
    assert list(cache.values()) == [1, 2, 0, 0, 0]
    assert list(cache.iterkeys()) == list(cache._iterate_keys()) == list(cache.keys())
    assert list(cache.itervalues()) == list(cache._iterate_values()) == list(cache.values())
    assert list(cache.iteritems()) == list(cache._iterate_items()) == list(cache.items())


def test_items_can_be_taken_from_both_ends() -> None:
    cache: LRUCache[str, int] = LRUCache()
    cache.update(a=1, b=2, c=3)
    assert cache.popitem() == ("c", 3)
    assert cache.popitem(last=False) == ("a", 1)
    assert cache.pop("b") == 2
    with pytest.raises(KeyError):
        cache.popitem()
    with pytest.raises(KeyError):
        del cache["b"]


def test_numbers_are_counted_as_text() -> None:
    cache: LRUCache[str, str] = LRUCache()
    cache["n"] = "5"
    assert cache.incr("n") == 6
    assert cache.incr("n", 3) == 9
    assert cache["n"] == "9"
    with pytest.raises(KeyError):
        cache.incr("missing")
    cache["text"] = "x"
    with pytest.raises(ValueError):
        cache.incr("text")


def test_it_is_pickled_and_copied_without_its_lock() -> None:
    cache: LRUCache[str, int] = LRUCache(2)
    cache.update(a=1, b=2)
    for other in (pickle.loads(pickle.dumps(cache)), copy.copy(cache), copy.deepcopy(cache)):
        other["c"] = 3
        assert dict(other) == {"b": 2, "c": 3}
    assert dict(cache) == {"a": 1, "b": 2}


def test_threads_share_it() -> None:
    cache: LRUCache[int, str] = LRUCache(50)
    cache[-1] = "0"
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for n in range(2000):
                cache[n % 60] = "x"
                cache.get(n % 7)
                list(cache.items())
                cache[-1] = cache.get(-1, "0")
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(cache) == 50


def test_incr_loses_no_step_between_threads() -> None:
    cache: LRUCache[str, str] = LRUCache(2)
    cache["n"] = "0"
    threads = [
        threading.Thread(target=lambda: [cache.incr("n") for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache["n"] == "2000"


def test_a_function_remembers_its_results() -> None:
    calls: list[tuple[int, int]] = []

    @memoize(maxsize=2)
    def add(a: int, b: int = 1) -> int:
        """Add."""
        calls.append((a, b))
        return a + b

    assert (add(1), add(1), add(1, b=1), add(2), add(1, b=1)) == (2, 2, 2, 3, 2)
    assert calls == [(1, 1), (1, 1), (2, 1)]
    assert (add.hits, add.misses) == (2, 3)
    assert add.original_func(1) == 2
    assert add.__doc__ == "Add."
    add.clear()
    assert (add.hits, add.misses) == (0, 0)
    add(2)
    assert add.misses == 1


def test_arguments_and_keywords_are_not_confused() -> None:
    @memoize()
    def show(*args: object, **kwargs: object) -> object:
        return args, kwargs

    assert show("a", 1) == (("a", 1), {})
    assert show(a=1) == ((), {"a": 1})
    assert show(("a", 1)) == ((("a", 1),), {})


def test_the_key_can_be_chosen() -> None:
    @memoize(keyfun=lambda args, kwargs: len(args[0]), maxsize=None)
    def first(words: list[str]) -> str:
        return words[0]

    assert first(["a", "b"]) == "a"
    assert first(["c", "d"]) == "a"
    with pytest.raises(TypeError):
        memoize()(len)([1])
