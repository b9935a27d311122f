"""Asks another program for its prices by what it says a session costs, and compares them with ours: see check-prices.sh."""

import csv
import json
import sys
import uuid

# Below every larger size of prompt that is priced otherwise, and a round part of a million.
TOKENS = 100_000
MILLION = 1_000_000

CLASSES = {
    "input_usd": {"input_tokens": TOKENS},
    "output_usd": {"output_tokens": TOKENS},
    "cache_read_usd": {"cache_read_input_tokens": TOKENS},
    "cache_write_5m_usd": {
        "cache_creation_input_tokens": TOKENS,
        "cache_creation": {"ephemeral_5m_input_tokens": TOKENS, "ephemeral_1h_input_tokens": 0},
    },
    "cache_write_1h_usd": {
        "cache_creation_input_tokens": TOKENS,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": TOKENS},
    },
}


def session_id(model, column):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{model}/{column}"))


def newest(path):
    """The row of each model that holds for small prompts today."""
    rows = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if not row["effective_to"] and row["prompt_min"] in ("", "0"):
                rows[row["model_id"]] = row
    return rows


def write(path, folder):
    for model in newest(path):
        for column, usage in CLASSES.items():
            session = session_id(model, column)
            record = {
                "type": "assistant", "uuid": session, "sessionId": session, "timestamp": "2026-11-01T10:00:00.000Z",
                "requestId": "req_" + session, "version": "2.1.200",
                "message": {
                    "id": "msg_" + session, "role": "assistant", "model": model, "content": [{"type": "text", "text": "x"}],
                    "usage": {"input_tokens": 0, "output_tokens": 0} | usage,
                },
            }
            with open(f"{folder}/{session}.jsonl", "w") as file:
                file.write(json.dumps(record, separators=(",", ":")) + "\n")


def compare(path, answer):
    with open(answer) as file:
        sessions = json.load(file)
    sessions = sessions.get("session") or sessions.get("sessions")
    costs = {next(s[k] for k in ("sessionId", "session", "period") if k in s): s["totalCost"] for s in sessions}
    differences, unknown, equal = 0, [], 0
    for model, row in newest(path).items():
        theirs = {c: costs.get(session_id(model, c)) for c in CLASSES}
        if not any(theirs.values()):
            unknown.append(model)
            continue
        for column, cost in theirs.items():
            ours = float(row[column])
            if cost is None:
                print(f"{model}: {column}: no answer")
                differences += 1
            elif abs(cost * MILLION / TOKENS - ours) > 1e-6:
                print(f"{model}: {column}: ours {ours:g}, theirs {cost * MILLION / TOKENS:g} (ours: {row['source']}, {row['verified_on']})")
                differences += 1
            else:
                equal += 1
    print(f"{equal} prices equal, {differences} different; no price to compare with: {', '.join(unknown) or 'none'}")
    return 3 if differences else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("write", "compare"):
        sys.exit("usage: check_prices.py write PRICE_LIST FOLDER | compare PRICE_LIST SESSIONS_JSON")
    sys.exit({"write": write, "compare": compare}[sys.argv[1]](sys.argv[2], sys.argv[3]))
