"""What the runs come to: medians, paired ratios, and the Markdown table."""
import statistics

from .measure import AGAIN


def values(row, key):
    return [run.get(key) for run in row["runs"]]


def median(numbers):
    there = [number for number in numbers if number is not None]
    return statistics.median(there) if there else None


def paired(row, other, key):
    """Per round this row's value by the other's: median, first and third quartile."""
    pairs = zip(values(row, key), values(other, key))
    ratios = sorted(a / b for a, b in pairs if a is not None and b)
    if not ratios:
        return None
    last = len(ratios) - 1
    return {"median": statistics.median(ratios), "low": ratios[round(last / 4)],
            "high": ratios[round(last * 3 / 4)], "rounds": len(ratios)}


def evaluate(job, rows):
    """Adds to every row its median and ratios; answers what the job's table says besides."""
    by_name = {row["server"]: row for row in rows}
    for row in rows:
        row["median"] = median(values(row, job.value))
        errors = [run["error"] for run in row["runs"] if "error" in run]
        if errors:
            row["error"] = errors[0]
    better = max if job.more_is_better else min
    peers = [row for row in rows if row["kind"] == "peer" and row["median"] is not None
             and not row["server"].endswith(AGAIN)]
    best = better(peers, key=lambda row: row["median"], default=None)
    for row in rows:
        limit = by_name.get(row["limit"])
        if limit and limit is not row and row["median"] is not None:
            row["to_limit"] = paired(row, limit, job.value)
        if best and row["kind"] == "polyio" and row["median"] is not None:
            row["to_best_peer"] = paired(row, best, job.value)
    again = [row for row in rows if row["server"].endswith(AGAIN)]
    noise = again[0].get("to_limit") if again else None
    waits = [run.get("waited_for_core_share") for row in rows for run in row["runs"]]
    return {"noise": noise, "best_peer": best["server"] if best else None,
            "waited_for_core_share": median(waits)}


def figure(number):
    if number is None:
        return ""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def ratio(pair):
    return f"{pair['median']:.3f} ({pair['low']:.3f}–{pair['high']:.3f})" if pair else ""


def verdict(job, row, facts):
    """Whether a polyio row keeps to what the project wants of it."""
    target = job.targets.get(row["server"], job.targets.get(""))
    if row["kind"] != "polyio" or target is None:
        return ""
    if job.absolute:
        return f"≤ {target:,.0f}: {'yes' if row['median'] <= target else '**no**'}"
    if not row.get("to_limit"):
        return ""
    found, noise = row["to_limit"]["median"], facts["noise"]
    spread = abs(noise["median"] - 1) if noise else 0
    over = target - found if job.more_is_better else found - target
    answer = "yes" if over <= 0 else "within the noise" if over <= spread else "**no**"
    if busy(facts):
        answer = "unknown (busy)"
    return f"{'≥' if job.more_is_better else '≤'} {target:.2f}: {answer}"


def busy(facts):
    return (facts["waited_for_core_share"] or 0) > 0.02


def job_table(job, rows, facts):
    lines = [f"### {job.title}", "", f"`{job.name}`, {job.unit}"
             f"{', more is better' if job.more_is_better else ''}."]
    if facts["noise"] and not job.absolute:
        lines[-1] += f" The limit against itself (noise): {ratio(facts['noise'])}."
    if facts["best_peer"]:
        lines[-1] += f" The best peer: {facts['best_peer']}."
    if busy(facts):
        lines += ["", f"**The machine was busy**: {facts['waited_for_core_share']:.0%} of the time "
                  "server or load waited for a core. These figures are no measurement."]
    if job.absolute:
        lines += ["", "| server | bytes | wanted | kernel's, both ends |", "|---|---:|---|---:|"]
    else:
        lines += ["", "| server | median | by its limit (quartiles) | by the best peer | wanted "
                  "| per second | p50 µs | p99 µs |", "|---|---:|---:|---:|---|---:|---:|---:|"]
    worst = float("-inf") if job.more_is_better else float("inf")
    ordered = sorted(rows, key=lambda row: worst if row["median"] is None else row["median"],
                     reverse=job.more_is_better)
    for row in ordered:
        name = f"**{row['server']}**" if row["kind"] == "polyio" else row["server"]
        if row["median"] is None:
            lines.append(f"| {name} | failed: {row['error']} |" + " |" * (2 if job.absolute else 6))
            continue
        if job.absolute:
            kernel = median(values(row, "kernel_both_ends_per_connection"))
            cells = [name, figure(row["median"]), verdict(job, row, facts), figure(kernel)]
            lines.append("| " + " | ".join(cells) + " |")
            continue
        latency = [run.get("latency_us", {}) for run in row["runs"]]
        to_limit = row.get("to_limit")
        cells = [name, figure(row["median"]),
                 f"{ratio(to_limit)} {row['limit']}" if to_limit else "",
                 ratio(row.get("to_best_peer")), verdict(job, row, facts),
                 figure(median(values(row, "operations_per_second"))),
                 figure(median([each.get("p50") for each in latency])),
                 figure(median([each.get("p99") for each in latency]))]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + [""]


def markdown(machine, options, results):
    lines = ["# Measured by bench/run", "",
             "How to read this: docs/bench.md. Ratios are medians of ratios within one round, "
             "quartiles in brackets; below 1 is better unless more is better.", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- {options['rounds']} rounds; runs {options['scale']:g} × their usual length; "
              f"server on core {options['server_cpu']}, load on core {options['load_cpu']}", ""]
    for job, rows, facts in results:
        lines += job_table(job, rows, facts)
    return "\n".join(lines).rstrip("\n") + "\n"
