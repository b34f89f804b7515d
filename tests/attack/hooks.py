"""What Schemathesis cannot know from the description: who attacks, how events are signed, what no schema can say."""

import hashlib
import hmac
import os
import re
import time

import schemathesis
from requests.auth import AuthBase
from rules import OWN_CONVERSATION, faults, is_cursor, unlinked
from schemathesis.openapi.checks import RejectedPositiveData

API_TOKEN = os.environ["ATTACK_API_TOKEN"]
WEBHOOK_TOKEN = os.environ["ATTACK_WEBHOOK_TOKEN"]  # Empty where the worker has none.
WEBHOOK_SECRET = os.environ["ATTACK_WEBHOOK_SECRET"]
# "owner" of all secrets, "nobody" without any, or "stranger" with wrong ones.
WHO = os.environ["ATTACK_AS"]

TURN = "/webhooks/elevenlabs/transcription"
EVENT = "/webhooks/elevenlabs/post-call"


def chance(*what):
    """A number that depends on these values only, so that a run that is repeated makes the same choices."""
    return int.from_bytes(hashlib.sha256(repr(what).encode(errors="replace")).digest()[:4], "big")


# --- Credentials.


def signature(body, secret, at):
    return f"t={at},v0={hmac.new(secret.encode(), b'%d.' % at + body, hashlib.sha256).hexdigest()}"


def signed(body):
    """A valid signature for three bodies of four, and for the others one of those that must not be taken."""
    now = int(time.time())
    valid = signature(body, WEBHOOK_SECRET, now)
    forged = [
        "",
        f"t={now}",
        f"t={now},v0=",
        valid.replace("v0=", "v1="),
        f"{valid},t={now}",
        valid[:-1],
        signature(body + b" ", WEBHOOK_SECRET, now),
        signature(body, f"{WEBHOOK_SECRET},", now),
        signature(body, WEBHOOK_SECRET, now - 46 * 60),
        signature(body, WEBHOOK_SECRET, now + 46 * 60),
    ]
    choice = chance(body)
    return valid if choice % 4 else forged[choice // 4 % len(forged)]


def sent(request):
    """The path and the bytes of a request."""
    body = request.body or b""
    return request.path_url.partition("?")[0], body.encode() if isinstance(body, str) else body


class Credentials(AuthBase):
    """Added last, to the very bytes that are sent."""

    def __call__(self, request):
        path, body = sent(request)
        wrong = "x" if WHO == "stranger" else ""
        if path == EVENT:
            request.headers["ElevenLabs-Signature"] = (
                signature(body, WEBHOOK_SECRET + wrong, int(time.time())) if wrong else signed(body)
            )
        elif token := WEBHOOK_TOKEN if path == TURN else API_TOKEN:
            request.headers["Authorization"] = f"Bearer {token}{wrong}"
        return request


if WHO != "nobody":
    schemathesis.auth.set_from_requests(Credentials())


# --- What no parameter of the description says: the other forms of an answer, and which cursors there are. An invented
# one is refused, and would hide all that the other parameters do.

CURSOR = b"5 9999-01-01T00:00:00.000Z".hex()
FORMS = {"/calls": "text/csv", "/calls/{call_sid}/transcription": "text/plain"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path in FORMS and chance(case.path_parameters, case.query) % 3 == 0:
        case.headers.setdefault("Accept", FORMS[case.operation.path])
    cursor = case.query.get("cursor") if case.operation.path == "/calls" and case.query else None
    invented = isinstance(cursor, str) and re.fullmatch("([0-9A-Fa-f]{2})+", cursor) and not is_cursor(cursor)
    if invented and chance(case.query) % 8:
        case.query["cursor"] = CURSOR


# --- Events. By itself Schemathesis would hardly ever hit upon one that is of a call.

PLACES = """
    event_timestamp data.status data.user_id data.failure_reason data.transcript data.transcript.0
    data.transcript.0.role data.transcript.0.message data.transcript.0.original_message data.transcript.0.interrupted
    data.transcript.0.time_in_call_secs data.transcript.0.tool_results data.metadata data.metadata.start_time_unix_secs
    data.metadata.accepted_time_unix_secs data.metadata.call_duration_secs data.metadata.phone_call
    data.metadata.termination_reason data.metadata.error data.metadata.body data.analysis
    data.analysis.transcript_summary data.analysis.call_result data.conversation_initiation_client_data
    data.conversation_initiation_client_data.dynamic_variables
    data.conversation_initiation_client_data.dynamic_variables.call_sid
""".split()


@schemathesis.hook
def map_body(context, body):
    """Makes most invented events real ones, with what was invented in one of the places that the ledger reads."""
    if context.operation.path != EVENT or not isinstance(body, dict) or "data" not in body:
        return body
    kind = body.get("type")
    choice = chance(body)
    # A body that is wrong on purpose stays as it is.
    if not isinstance(kind, str) or not kind.strip() or kind in ("post_call_transcription", "call_initiation_failure"):
        return body
    call_sid, conversation_id = OWN_CONVERSATION[choice % len(OWN_CONVERSATION)]
    choice //= len(OWN_CONVERSATION)
    event = {
        "type": "call_initiation_failure" if choice % 5 == 0 else "post_call_transcription",
        "event_timestamp": 1763721090 + choice % 100,
        "data": {
            "conversation_id": conversation_id,
            "status": "done",
            "failure_reason": "busy",
            "transcript": [
                {"role": "agent", "message": "Hello Ada", "time_in_call_secs": 0},
                {"role": "user", "message": f"Hello {choice % 7}", "time_in_call_secs": 4},
            ],
            "metadata": {"start_time_unix_secs": 1763721000, "call_duration_secs": 60, "body": {"CallSid": "CA1"}},
            "analysis": {"transcript_summary": "Ada said hello."},
            "conversation_initiation_client_data": {"dynamic_variables": {"call_sid": call_sid}},
        },
    }
    *parents, name = PLACES[choice // 5 % len(PLACES)].split(".")
    place = event
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    place[int(name) if isinstance(place, list) else name] = body["data"]
    return event


# --- Checks beside those of Schemathesis.


def described(response, case):
    """Whether the request has a method that the description has at this path."""
    return response.request.method.lower() == case.operation.method.lower()


def is_closed(case):
    """Whether the description wants credentials, or the worker does: the turns' token is optional, and is set here."""
    security = case.operation.definition.raw.get("security")
    return bool(security) and ({} not in security or case.operation.path == TURN and WEBHOOK_TOKEN != "")


@schemathesis.check
def strangers_get_401_and_nothing_else(ctx, response, case):
    if WHO == "owner" or not described(response, case):
        return
    if is_closed(case):
        assert response.status_code == 401, f"{WHO} was answered {response.status_code}"
    else:
        assert response.status_code != 401, "a route that is open to everybody wants credentials"


@schemathesis.check
def the_owner_is_let_in(ctx, response, case):
    token = WEBHOOK_TOKEN if case.operation.path == TURN else API_TOKEN
    if token and response.request.headers.get("Authorization") == f"Bearer {token}":
        assert response.status_code != 401, "the right token was refused"


@schemathesis.check
def only_signed_events_are_read(ctx, response, case):
    if case.operation.path != EVENT or not described(response, case):
        return
    given = response.request.headers.get("ElevenLabs-Signature", "")
    at = given[2:].partition(",")[0]
    near = at.isdigit() and abs(int(at) - time.time()) < 45 * 60
    valid = near and given == signature(sent(response.request)[1], WEBHOOK_SECRET, int(at))
    assert valid == (response.status_code != 401), f"{'valid' if valid else 'invalid'} signature: {response.status_code}"


@schemathesis.check
def what_no_schema_can_say_is_refused_too(ctx, response, case):
    """A request that fits the description is refused for the faults that `rules.py` finds, and for no others."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not positive or not described(response, case) or response.status_code in (401, 404):
        return
    wrong = faults(case)
    if wrong or response.status_code == 400 and not unlinked(case, response):
        assert response.status_code == 400, f"{sorted(wrong)} should have been refused"
        if response.request.method != "HEAD":
            named = {fault["field"] for fault in response.json().get("errors", [])}
            assert named == wrong, f"faulty are {sorted(wrong)}, and named were {sorted(named)}"


@schemathesis.check
def no_answer_holds_a_secret(ctx, response, case):
    for secret in filter(None, (API_TOKEN, WEBHOOK_TOKEN, WEBHOOK_SECRET)):
        assert secret not in response.text and secret not in str(response.headers), f"an answer holds {secret}"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Refusing what only looks right is right. The check above has looked whether it was for the right reason."""
    return not (isinstance(failure, RejectedPositiveData) and (faults(case) or unlinked(case, response)))
