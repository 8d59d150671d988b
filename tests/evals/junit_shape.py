"""The shape of JUnit XML that CI servers read, as Jenkins' schema for it (junit-10) says."""

from xml.etree.ElementTree import Element, fromstring

_ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    # element: what it must have, what it may have
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "timestamp", "hostname", "id", "package", "file", "log", "url"},
    ),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name"}, {"classname", "time", "group"}),
    "failure": (set(), {"type", "message"}),
    "error": (set(), {"type", "message"}),
    "system-out": (set(), set()),
}
_CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out"],
    "properties": ["property"],
    "testcase": ["error", "failure"],
}


def read_junit(text: str) -> Element:
    """The root of a document that has the shape, and whose counts are those of its tests."""
    root = fromstring(text.encode())  # noqa: S314 # written by us a moment ago
    assert root.tag == "testsuites"
    _check(root)
    for suite in root:
        tests = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(tests)
        for kind in ("failure", "error"):
            found = sum(test.find(kind) is not None for test in tests)
            assert int(suite.attrib[f"{kind}s"]) == found
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root


def _check(element: Element) -> None:
    required, optional = _ATTRIBUTES[element.tag]
    assert required <= set(element.keys()) <= required | optional, element.tag
    order = _CHILDREN.get(element.tag, [])
    places = [order.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for name in ("time", "tests", "failures", "errors"):
        assert float(element.get(name, "0")) >= 0
    for child in element:
        _check(child)
