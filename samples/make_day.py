#!/usr/bin/env python3
"""Writes day.csv: one day of several teams' LLM calls, made up but with the rhythm of real ones.

The same bytes every time, on every Python 3: only random.random() is used, whose sequence for a seed is fixed, and no
function of the mathematical library, whose last digit is not.

    python3 make_day.py > day.csv
"""
import datetime
import random
import sys

SEED = 20250311
DAY = datetime.datetime(2025, 3, 11, tzinfo=datetime.timezone.utc)

# Micro-dollars for a thousand tokens: of the prompt, of the completion.
MODELS = {"large": (3000, 15000), "small": (250, 1250), "embed": (20, 0)}

# A team: calls on the day, the weight of each hour (UTC), models with their weights, and the usual sizes in tokens.
TEAMS = {
    # People search when they are awake, most of all in the evening.
    "search": (1500, [3, 2, 1, 1, 1, 2, 4, 6, 8, 9, 9, 10, 11, 10, 9, 9, 10, 12, 14, 16, 15, 12, 8, 5],
               {"small": 6, "embed": 4}, (420, 110)),
    # Support works in office hours, with long conversations.
    "support": (900, [0, 0, 0, 0, 0, 0, 1, 4, 10, 14, 15, 13, 8, 12, 14, 14, 11, 5, 2, 1, 0, 0, 0, 0],
                {"large": 5, "small": 5}, (1800, 260)),
    # Research runs its jobs at night, and tries things in the afternoon.
    "research": (600, [8, 14, 16, 16, 10, 3, 1, 0, 0, 1, 1, 1, 0, 2, 4, 5, 4, 3, 1, 0, 0, 1, 2, 4],
                 {"large": 8, "embed": 2}, (3200, 700)),
    # The mobile app has a peak in the morning and one after work.
    "mobile": (700, [2, 1, 0, 0, 0, 2, 8, 14, 10, 6, 5, 5, 7, 6, 5, 5, 7, 11, 14, 12, 9, 7, 5, 3],
               {"small": 9, "large": 1}, (300, 160)),
    # Evaluations start by themselves every six hours.
    "evals": (300, [20, 2, 0, 0, 0, 0, 20, 2, 0, 0, 0, 0, 20, 2, 0, 0, 0, 0, 20, 2, 0, 0, 0, 0],
              {"large": 5, "small": 5}, (1500, 400)),
}


def pick(rng, weights):
    """A key of `weights`, each as likely as its weight."""
    at = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        at -= weight
        if at < 0:
            return key
    return key


def size(rng, usual):
    """A size around the usual one, now and then several times as large, as prompts are."""
    tail = rng.random() * rng.random() * rng.random()
    return max(1, int(usual * (0.2 + rng.random() + 3 * tail)))


def calls_of(rng, team):
    """The calls of a team: (milliseconds into the day, team, model, execution, prompt, completion, cost)."""
    count, hours, models, (prompt_usual, completion_usual) = TEAMS[team]
    calls = []
    execution = 0
    while len(calls) < count:
        execution += 1
        hour = pick(rng, dict(enumerate(hours)))
        ms = hour * 3600000 + int(rng.random() * 3600000)
        model = pick(rng, models)
        # An execution makes one call, or a few in a row, as an agent does.
        for _ in range(min(count - len(calls), 1 + int(rng.random() * rng.random() * 5))):
            prompt = size(rng, prompt_usual)
            completion = size(rng, completion_usual) if MODELS[model][1] else 0
            price = MODELS[model]
            cost = (prompt * price[0] + completion * price[1]) // 1000
            calls.append((ms, team, model, f"{team}-{execution:04}", prompt, completion, cost))
            ms = min(ms + 800 + int(rng.random() * 6000), 86399999)
    return calls


def main():
    rng = random.Random(SEED)
    calls = sorted(call for team in TEAMS for call in calls_of(rng, team))
    out = sys.stdout
    out.write("time,team,model,execution,prompt_tokens,completion_tokens,cost_microusd\n")
    for ms, *rest in calls:
        time = DAY + datetime.timedelta(milliseconds=ms)
        out.write(f"{time:%Y-%m-%d %H:%M:%S}.{ms % 1000:03}," + ",".join(map(str, rest)) + "\n")


if __name__ == "__main__":
    main()
