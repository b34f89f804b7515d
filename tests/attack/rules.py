"""What is wrong with a request although it fits the description: what no schema can say, worked out a second time."""

import re

MAX_DRIVER_ID = 2**53 - 1
LONGEST_NAME = 200  # bytes

# The calls that `world.py` places first. The last ones have no conversation yet: the first event or turn that names one
# gives it to them, and only these are ever named here.
KNOWN = [f"EL_{driver}_2025-11-21T10:30:00Z" for driver in range(1, 9)]
OWN_CONVERSATION = [(call_sid, f"conv_attack_{call_sid[3]}") for call_sid in KNOWN[5:]]
WITHOUT_CONVERSATION = [KNOWN[3], *KNOWN[5:]]

TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?"
)


def is_time(text):
    """RFC 3339 on the calendar, in a year of four digits in UTC."""
    parts = TIME.fullmatch(text)
    if not parts:
        return False
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    sign, hours, minutes = parts.groups()[6:]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not (1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second <= 60):
        return False
    offset = int(f"{sign}1") * (int(hours) * 60 + int(minutes)) if sign else 0
    if sign and (int(hours) > 23 or int(minutes) > 59):
        return False
    seconds = (hour * 60 + minute - offset) * 60 + second
    first, last = (year, month, day) == (0, 1, 1), (year, month, day) == (9999, 12, 31)
    return not (first and seconds < 0 or last and seconds >= 86400)


def is_driver_id(value):
    return 1 <= int(value) <= MAX_DRIVER_ID


def is_cursor(text):
    try:
        place, _, _ = bytes.fromhex(text).decode().partition(" ")
    except ValueError:
        return False
    return " " in bytes.fromhex(text).decode() and re.fullmatch(r"[+-]?[0-9]+", place) and -(2**63) <= int(place) < 2**63


def faults(case):
    """The faulty fields of a request that fits the description."""
    find = {"listCalls": of_list, "placeCalls": of_placing, "recordTurn": of_turn}
    name = case.operation.definition.raw["operationId"].removesuffix("Head")
    return set(find[name](case)) if name in find else set()


def of_list(case):
    query = {name: value for name, value in (case.query or {}).items() if value != ""}
    for name, is_right in {"from": is_time, "to": is_time, "driver_id": is_driver_id, "cursor": is_cursor}.items():
        if name in query and not is_right(str(query[name])):
            yield name


def of_placing(case):
    if not is_time(case.body["timestamp"]):
        yield "timestamp"
    seen = set()
    for index, driver in enumerate(case.body["drivers"]):
        number = int(driver["driverId"])
        if not is_driver_id(number) or number in seen:
            yield f"drivers[{index}].driverId"
        seen.add(number)
        for place, violation in enumerate(driver.get("violations") or []):
            if violation.get("occurredAt") is not None and not is_time(violation["occurredAt"]):
                yield f"drivers[{index}].violations[{place}].occurredAt"


def of_turn(case):
    if not is_time(case.body["timestamp"]):
        yield "timestamp"
    for name in ("call_sid", "conversation_id"):
        if len((case.body.get(name) or "").encode(errors="replace")) > LONGEST_NAME:
            yield name


def unlinked(case, response):
    """Whether a turn was refused because of what is on record: no such call, or not this conversation."""
    if case.operation.definition.raw["operationId"] != "recordTurn" or response.status_code != 400:
        return False
    call_sid, named = case.body["call_sid"], (case.body.get("conversation_id") or "").strip()
    return {
        "unknown_call_sid": call_sid not in KNOWN,
        "conversation_not_linked": call_sid in WITHOUT_CONVERSATION and not named,
        "invalid_request": named != "" and "errors" not in response.json(),
    }.get(response.json()["code"], False)
