"""The JSON Schema of the records: strict, with closed lists, and no other keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imcprobe.evidence import Replies
from imcprobe.meaning import Channel
from imcprobe.model import SCHEMA_NAME, Caveat, Confidence, Family, Kind, Match, Status
from imcprobe.order import MAX_SEED

if TYPE_CHECKING:
    from enum import StrEnum

# What went through the sanitiser has no control character.
_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_TEXT = {"type": "string", "pattern": _PRINTABLE}
_TEXT_OR_NULL = {"type": ["string", "null"], "pattern": _PRINTABLE}
_CPE = r"^cpe:2\.3:a:microsoft:exchange_server:[0-9.]{1,9}:(?:sp[1-9]|-|\*)(?::\*){6}$"
_FLAG = {"type": "boolean"}
_FLAG_OR_NULL = {"type": ["boolean", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "number", "minimum": 0}
_NULL = {"type": "null"}
_D = "[0-9]"
_DATE = rf"{_D}{{4}}-[01]{_D}-[0-3]{_D}"
_MOMENT = {"type": "string", "pattern": rf"^{_DATE}T[0-2]{_D}:[0-5]{_D}:[0-6]{_D}\.{_D}{{3}}Z$"}
_SECOND = {"type": ["string", "null"], "pattern": rf"^{_DATE}T[0-2]{_D}:[0-5]{_D}:[0-6]{_D}Z$"}
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_CODE = {"type": "integer", "minimum": 200, "maximum": 599}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65_535}


def json_schema() -> dict[str, Any]:
    """The schema of one record: the first line of a file, one in its middle, or the last."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Records of {SCHEMA_NAME}: a scan's head, its results, its summary",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in ("scan", "result", "summary")],
        "$defs": {
            "scan": _scan(),
            "result": _result(),
            "summary": _summary(),
            "identification": _identification(),
            "tls": _tls(),
            "certificate": _certificate(),
            "ntlm": _ntlm(),
            "reply": _reply(),
            "release": _release(),
            "neighbour": _object({"build": _TEXT, "name": _TEXT}),
        },
    }


def _scan() -> dict[str, Any]:
    options = {
        "concurrency": {"type": "integer", "minimum": 1},
        "connect_timeout": _SECONDS,
        "greeting_timeout": _SECONDS,
        "deadline": _SECONDS,
        "quit": _FLAG,
        "ehlo": _FLAG,
        "helo_name": _TEXT_OR_NULL,
        "family": {"enum": [4, 6, None]},
        "rate": _or_null({"type": "number", "exclusiveMinimum": 0}),
        "per_net": _or_null({"type": "integer", "minimum": 1}),
        "retries": _COUNT,
        "adaptive": _FLAG,
        "tls": _FLAG,
        "implicit_tls": _FLAG,
        "ntlm": _FLAG,
        "help_command": _FLAG,
        "ptr": _FLAG,
        "all_addresses": _FLAG,
        "conversations": {"type": "integer", "minimum": 1},
        "only": {**_list({"enum": ["answered", "exchange"]}), "uniqueItems": True},
    }
    order = {
        "shuffle": _FLAG,
        "seed": _or_null({"type": "integer", "minimum": 0, "maximum": MAX_SEED}),
        "shard": {"type": ["string", "null"], "pattern": "^[1-9][0-9]*/[1-9][0-9]*$"},
    }
    return _object(
        {
            "type": {"const": "scan"},
            "schema": {"const": SCHEMA_NAME},
            "version": _TEXT,
            "table": _TEXT,
            "started": _MOMENT,
            "source": {"enum": [None, "text", "records"]},
            "targets": _COUNT,
            "ports": _list(_PORT),
            "targets_digest": {"type": ["string", "null"], "pattern": "^sha256:[0-9a-f]{64}$"},
            "order": _object(order),
            "options": _or_null(_object(options)),
        }
    )


def _result() -> dict[str, Any]:
    milliseconds = _or_null(_SECONDS)
    reply = _or_null({"$ref": "#/$defs/reply"})
    record = _object(
        {
            "type": {"const": "result"},
            "target": _TEXT,
            "ip": _TEXT_OR_NULL,
            "port": _or_null(_PORT),
            "status": _one_of(Status),
            "code": _or_null(_CODE),
            "greeting": _TEXT_OR_NULL,
            "greeting_base64": {"type": ["string", "null"], "pattern": _BASE64},
            "complete_greeting": _FLAG,
            "name": _TEXT_OR_NULL,
            "identification": _or_null({"$ref": "#/$defs/identification"}),
            "ehlo": _or_null(_list(_TEXT)),
            "keywords": _or_null(_keywords()),
            "tls": _or_null({"$ref": "#/$defs/tls"}),
            "ntlm": _or_null({"$ref": "#/$defs/ntlm"}),
            "replies": _or_null(_object(dict.fromkeys(Replies._fields, reply))),
            "ptr": _or_null(_list(_TEXT)),
            "times": _object({"connect_ms": milliseconds, "greeting_ms": milliseconds}),
            "attempts": {"type": "integer", "minimum": 1},
            "error": _TEXT_OR_NULL,
            "timestamp": _or_null(_MOMENT),
        }
    )
    # Whatever came is there twice, as text and exactly.
    return {
        **record,
        "allOf": [
            _when({"greeting": _NULL}, then={"greeting_base64": _NULL, "code": _NULL}),
            _when({"greeting": {"type": "string"}}, then={"greeting_base64": {"type": "string"}}),
            # The keywords are those of the reply to EHLO.
            _when({"ehlo": _NULL}, then={"keywords": _NULL}),
            _when({"keywords": _NULL}, then={"ehlo": _NULL}),
        ],
    }


def _keywords() -> dict[str, Any]:
    return {"type": "object", "propertyNames": _TEXT, "additionalProperties": _list(_TEXT)}


def _tls() -> dict[str, Any]:
    return _object(
        {
            "implicit": _FLAG,
            "offered": _FLAG_OR_NULL,
            "negotiated": _FLAG,
            "verified": _FLAG_OR_NULL,
            "distrust": _TEXT_OR_NULL,
            "version": _TEXT_OR_NULL,
            "cipher": _TEXT_OR_NULL,
            "certificate": _or_null({"$ref": "#/$defs/certificate"}),
            "ehlo": _or_null(_list(_TEXT)),
            "error": _TEXT_OR_NULL,
        }
    )


def _certificate() -> dict[str, Any]:
    return _object(
        {
            "subject": _TEXT_OR_NULL,
            "issuer": _TEXT_OR_NULL,
            "names": _list(_TEXT),
            "not_before": _SECOND,
            "not_after": _SECOND,
            "self_signed": _FLAG_OR_NULL,
            "key": _TEXT_OR_NULL,
            "signature": _TEXT_OR_NULL,
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "base64": {"type": "string", "pattern": _BASE64},
            "error": _TEXT_OR_NULL,
        }
    )


def _ntlm() -> dict[str, Any]:
    names = ("target", "netbios_domain", "netbios_computer", "dns_domain", "dns_computer", "dns_forest")
    version = rf"^{_D}{{1,3}}\.{_D}{{1,3}}\.{_D}{{1,5}}$"
    return _object(
        {
            **dict.fromkeys(names, _TEXT_OR_NULL),
            "windows": {"type": ["string", "null"], "pattern": version},
            "base64": {"type": "string", "pattern": _BASE64},
        }
    )


def _reply() -> dict[str, Any]:
    return _object({"code": _CODE, "lines": _list(_TEXT)})


def _summary() -> dict[str, Any]:
    return _object(
        {
            "type": {"const": "summary"},
            "complete": _FLAG,
            "targets": _COUNT,
            "by_status": _object({str(status): _COUNT for status in Status}),
            "exchange": _COUNT,
            "seconds": _SECONDS,
        }
    )


def _identification() -> dict[str, Any]:
    neighbour = _or_null({"$ref": "#/$defs/neighbour"})
    date = {"type": ["string", "null"], "pattern": f"^{_DATE}$"}
    support = _object({"state": {"enum": ["ended"]}, "date": date, "note": _TEXT_OR_NULL})
    hint = _object({"channel": _one_of(Channel), "reading": _TEXT, "evidence": _TEXT, "source": _TEXT})
    advisory = _object(
        {
            "id": _TEXT,
            "cve": {"type": ["string", "null"], "pattern": f"^CVE-{_D}{{4}}-{_D}{{4,7}}$"},
            "fixed_in": _TEXT,
        }
    )
    return _object(
        {
            "family": _one_of(Family),
            "product": _TEXT_OR_NULL,
            "build": _TEXT_OR_NULL,
            "match": _one_of(Match),
            "releases": _list({"$ref": "#/$defs/release"}),
            "below": neighbour,
            "above": neighbour,
            "confidence": _one_of(Confidence),
            "caveats": {**_list(_one_of(Caveat)), "uniqueItems": True},
            "cpe": _list({"type": "string", "pattern": _CPE}),
            "support": _or_null(support),
            "superseded_by": {"type": ["string", "null"], "pattern": "^SP[1-9]$"},
            "hints": _list(hint),
            "advisories": _list(advisory),
            "advisories_not_shown": _list(_TEXT),
        }
    )


def _release() -> dict[str, Any]:
    return _object(
        {
            "name": _TEXT,
            "version": _TEXT,
            "service_pack": {"type": ["string", "null"], "pattern": "^SP[1-9]$"},
            "kind": _one_of(Kind),
            "source": _TEXT,
            "note": _TEXT_OR_NULL,
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with all of these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _when(these: dict[str, Any], *, then: dict[str, Any]) -> dict[str, Any]:
    """Where these keys are so, those must be so."""
    return {"if": {"properties": these}, "then": {"properties": then}}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _NULL]}


def _one_of(names: type[StrEnum]) -> dict[str, Any]:
    return {"enum": [str(name) for name in names]}
