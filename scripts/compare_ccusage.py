"""Compares the reports that compare-ccusage.sh wrote into a folder; names every difference."""

import json
import sys

CLASSES = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")


def counts(path, report):
    """Tokens by (day or session, model) and class; rows without a token are left out."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)[report]
    out = {}
    for row in rows:
        for model in row["modelBreakdowns"]:
            key = (row["period"], model["modelName"])
            have = out.setdefault(key, dict.fromkeys(CLASSES, 0))
            for name in CLASSES:
                have[name] += model[name]
    return {key: have for key, have in out.items() if any(have.values())}


def blocks(path):
    """Tokens by (beginning of a block, its end) and class; of a gap there are none."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["blocks"]
    names = {"cacheCreationTokens": "cacheCreationInputTokens", "cacheReadTokens": "cacheReadInputTokens"}
    return {
        (row["id"], "gap" if row["isGap"] else "block"): {name: row["tokenCounts"][names.get(name, name)] for name in CLASSES}
        for row in rows
    }


def main(folder):
    different = 0
    for report in ("daily", "session", "blocks"):
        read = blocks if report == "blocks" else lambda path: counts(path, report)
        ours, theirs = read(f"{folder}/ours-{report}.json"), read(f"{folder}/theirs-{report}.json")
        for key in sorted(ours.keys() ^ theirs.keys()):
            different += 1
            print(f"{report} {key[0]} {key[1]}: only {'here' if key in ours else 'in ccusage'}")
        for key in sorted(ours.keys() | theirs.keys()):
            for name in CLASSES:
                a, b = ours.get(key, {}).get(name, 0), theirs.get(key, {}).get(name, 0)
                if a != b:
                    different += 1
                    print(f"{report} {key[0]} {key[1]} {name}: {a}, ccusage has {b} ({a - b:+d})")
        total = sum(sum(have.values()) for have in ours.values())
        theirs_total = sum(sum(have.values()) for have in theirs.values())
        print(f"{report}: {len(ours)} rows, {total} tokens; ccusage {len(theirs)} rows, {theirs_total} tokens")
    print("equal to the token" if not different else f"{different} differences")
    return 3 if different else 0


sys.exit(main(sys.argv[1]))
