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


def main(folder):
    different = 0
    for report in ("daily", "session"):
        ours = counts(f"{folder}/ours-{report}.json", report)
        theirs = counts(f"{folder}/theirs-{report}.json", report)
        for key in sorted(ours.keys() | theirs.keys()):
            for name in CLASSES:
                a, b = ours.get(key, {}).get(name, 0), theirs.get(key, {}).get(name, 0)
                if a != b:
                    different += 1
                    print(f"{report} {key[0]} {key[1]} {name}: {a}, ccusage has {b} ({a - b:+d})")
        total = sum(sum(have.values()) for have in ours.values())
        print(f"{report}: {len(ours)} rows by {'day' if report == 'daily' else 'session'} and model, {total} tokens; ccusage {sum(sum(have.values()) for have in theirs.values())}")
    print("equal to the token" if not different else f"{different} differences")
    return 3 if different else 0


sys.exit(main(sys.argv[1]))
