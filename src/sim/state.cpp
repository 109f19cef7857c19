#include "state.hpp"

#include <fmt/format.h>

#include <cerrno>

#include <polyio/io/pieces.hpp>

namespace polyio {
namespace {

// What is left of the piece that a send is in; not empty while anything is left.
std::span<const std::byte> next_piece(const Op& op) noexcept {
  std::size_t skip = op.moved;
  for (const Part& part : std::span(op.parts, op.size)) {
    if (skip < part.size) return std::span(part.data, part.size).subspan(skip);
    skip -= part.size;
  }
  return {};
}

}  // namespace

bool SimDriver::State::end(Wait& wait, std::int64_t result) noexcept {
  wait.op->result = result;
  wait.op = nullptr;
  --in_flight;
  return true;
}

// True: it has ended, op.result holds.
bool SimDriver::State::attempt(Wait& wait) {
  Op& op = *wait.op;
  std::int64_t result = 0;
  switch (op.kind) {
    case OpKind::receive: return receive(wait);
    case OpKind::send: return send(wait);
    case OpKind::accept: result = network.accept(op.handle); break;
    case OpKind::connect: result = network.connected(op.handle); break;
    default: result = -EOPNOTSUPP;
  }
  return result != -EAGAIN && end(wait, result);
}

bool SimDriver::State::receive(Wait& wait) {
  Op& op = *wait.op;
  if (!op.leases) {
    const auto count = network.receive(op.handle, {op.data, op.size});
    return count != -EAGAIN && end(wait, count);
  }
  if (!network.ready(op.handle, op.kind) || starved()) return false;
  const LeasePool::Buffer buffer = buffers().take(op.handle, io());
  if (!buffer.data) {
    if (!wait.cancelling) buffers().wait(op);
    return false;
  }
  const auto count = network.receive(op.handle, {buffer.data, buffer.size});
  if (count <= 0) {
    buffers().give_back(buffer.id);
    return end(wait, count);
  }
  op.buffer = buffer.id;
  op.data = buffer.data;
  return end(wait, count);
}

bool SimDriver::State::send(Wait& wait) {
  Op& op = *wait.op;
  const std::size_t total = total_of(op);
  while (op.moved < total) {
    const auto count = network.send(op.handle, next_piece(op));
    if (count == -EAGAIN) return false;
    if (count < 0) return end(wait, count);
    op.moved += static_cast<std::size_t>(count);
    op.started = world.now;  // progress, to the idle timeout
    if (op.moved < total && world.random.chance(1, 2)) return false;  // the rest later
  }
  return end(wait, static_cast<std::int64_t>(total));
}

void SimDriver::State::push(SimEventKind kind, const Wait& wait, TimePoint at) {
  world.events.push({at, 0, kind, direction_of(wait.op->kind), wait.op->handle.slot, wait.serial});
}

// Has the operation tried soon, when it is its turn.
void SimDriver::State::schedule(Wait& wait) {
  if (wait.scheduled) return;
  const Op& op = *wait.op;
  if (!network.ready(op.handle, op.kind) || buffers().waits(op)) return;
  TimePoint at = world.now + world.latency();
  if (op.kind == OpKind::receive && op.leases) at = std::max(at, buffers_back);
  wait.scheduled = true;
  push(SimEventKind::attempt, wait, at);
}

bool SimDriver::State::starved() {
  if (world.now < buffers_back) return true;
  if (!world.draw(world.options.starvation)) return false;
  buffers_back = world.now + world.span(Nanoseconds(1), std::chrono::milliseconds(20));
  world.note(SimNote::starve, 0, 0, (buffers_back - world.now).count());
  return true;
}

// Looks again at the operations whose turn may have come.
void SimDriver::State::settle() {
  for (const auto [slot, direction] : network.changes()) {
    Wait& wait = wait_of(slot, direction);
    if (wait.op) schedule(wait);
  }
  network.changes().clear();
}

void SimDriver::State::handle(const SimEvent& event) {
  if (event.kind == SimEventKind::attempt) {
    if (find(event)) ripe.push_back(event);
  } else if (event.kind == SimEventKind::cancel) {
    Wait* wait = find(event);
    if (!wait) return;
    Op& op = *wait->op;
    world.note(SimNote::cancelled, event.id, event.part);
    end(*wait, -ECANCELED);
    io().complete(op, -ECANCELED);
  } else {
    network.handle(event);
  }
}

void SimDriver::State::finish_ripe() {
  for (std::size_t i = ripe.size(); i > 1; --i) {
    std::swap(ripe[i - 1], ripe[world.random.below(i)]);
  }
  for (const SimEvent& event : ripe) {
    Wait* wait = find(event);
    if (!wait) continue;  // cancelled meanwhile
    wait->scheduled = false;
    Op& op = *wait->op;
    if (!wait->cancelling && world.draw(world.options.readiness)) {
      io().make_ready(op);
    } else if (attempt(*wait)) {
      io().complete(op, op.result);
    } else {
      schedule(*wait);
    }
  }
  ripe.clear();
}

// A spurious readiness event: the operation tries, finds nothing and waits again.
void SimDriver::State::startle() {
  if (!world.draw(world.options.spurious_ready) || !world.draw(world.options.readiness)) return;
  std::vector<Op*> candidates;
  for (const auto& both : waits) {
    for (const Wait& wait : both) {
      const bool waiting = wait.op && wait.op->state == OpState::pending;
      if (waiting && !wait.scheduled && !wait.cancelling && !buffers().waits(*wait.op)) {
        candidates.push_back(wait.op);
      }
    }
  }
  if (!candidates.empty()) {
    io().make_ready(*candidates[world.random.below(candidates.size())]);
  }
}

// Moves the clock; false: nothing will ever happen.
bool SimDriver::State::wait_for_event(Deadline deadline) {
  if (deadline == TimePoint::min() || std::exchange(woken, false)) {
    world.now += world.span(Nanoseconds(0), world.options.turn_max);
    return true;
  }
  const TimePoint until = std::min(world.events.next(), deadline);
  if (until == never) return false;
  if (until > world.now) {
    world.now = until;
    if (deadline < world.events.next()) world.note(SimNote::timer, 0, 0);
  }
  return true;
}

void SimDriver::State::stuck(std::string_view why) {
  world.note(SimNote::deadlock, 0, 0);
  turns = 0;
  if (!on_deadlock) throw SimDeadlock(report(why));
  on_deadlock(report(why));
}

std::string SimDriver::State::report(std::string_view why) {
  constexpr std::array kinds{"nothing", "accept", "connect", "receive", "send"};
  std::string text = fmt::format("{}: {} jobs, {} timers", why, io().jobs(), io().timers());
  for (std::size_t slot = 0; slot < waits.size(); ++slot) {
    for (const Wait& wait : waits[slot]) {
      if (!wait.op) continue;
      text += fmt::format("\n  a job waits for {}{} on {}",
                          kinds[static_cast<std::size_t>(wait.op->kind)],
                          buffers().waits(*wait.op) ? " and a buffer" : "",
                          network.describe(static_cast<std::uint32_t>(slot)));
    }
  }
  const std::size_t others = io().jobs() - std::min(in_flight, io().jobs());
  if (others) text += fmt::format("\n  {} jobs wait in park, in sleep or for a task group", others);
  return text;
}

}  // namespace polyio
