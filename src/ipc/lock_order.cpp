#include <execinfo.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <polyio/ipc/kernel.hpp>
#include <polyio/ipc/lock_order.hpp>
#include <polyio/linux/symbolizer.hpp>
#include <set>
#include <utility>

namespace polyio::lock_order {
namespace {

using Lock = const void*;
using Handler = std::function<void(const Cycle&)>;

struct Seen {
  std::uint32_t thread = 0;
  std::vector<void*> stack;
};

// What is known of all locks. Its mutex is not one of ours and is always the last to be taken.
struct Graph {
  std::mutex mutex;
  std::map<Lock, std::map<Lock, Seen>> after;  // by the lock held, by the lock wanted
  std::map<Lock, std::string> names;
  std::shared_ptr<Handler> handler;

  // The path from one lock to another, both included; empty: there is none.
  std::vector<Lock> way(Lock from, Lock to) const {
    std::map<Lock, Lock> reached_from{{from, nullptr}};
    std::vector<Lock> open{from};
    for (std::size_t i = 0; i < open.size() && !reached_from.contains(to); ++i) {
      const auto found = after.find(open[i]);
      if (found == after.end()) continue;
      for (const auto& [next, seen] : found->second) {
        if (reached_from.emplace(next, open[i]).second) open.push_back(next);
      }
    }
    std::vector<Lock> way;
    if (!reached_from.contains(to)) return way;
    for (Lock at = to; at; at = reached_from[at]) way.insert(way.begin(), at);
    return way;
  }
  std::string name_of(Lock lock) const {
    const auto found = names.find(lock);
    return found == names.end() ? fmt::format("{}", lock) : found->second;
  }
  Edge edge(Lock held, Lock wanted) const {
    const Seen& seen = after.at(held).at(wanted);
    return {name_of(held), name_of(wanted), seen.thread, seen.stack};
  }
};

// Never destroyed: threads may lock to the very end.
Graph& graph() {
  static Graph* const only = new Graph;
  return *only;
}

// How often it was enabled: locks held before that, and perhaps let go unseen, no longer count.
constinit std::atomic<std::uint32_t> times_enabled{0};

// What the calling thread holds, and whether it is in here already.
struct Mine {
  std::array<Lock, 64> held{};
  std::size_t count = 0;
  std::uint32_t since = 0;
  bool busy = false;

  void catch_up() noexcept {
    if (const auto now = times_enabled.load(std::memory_order_relaxed); since != now) {
      count = 0;
      since = now;
    }
  }
};
constinit thread_local Mine mine;

struct Busy {
  Busy() noexcept { mine.busy = true; }
  ~Busy() { mine.busy = false; }
};

// The calls that led here, innermost first, from the one that returns to `caller`: those above it
// are ours, or a sanitizer's.
std::vector<void*> stack_of(void* caller) {
  std::array<void*, 16> all{};
  const auto* const end = all.data() + ::backtrace(all.data(), static_cast<int>(all.size()));
  const auto* const begin = std::find<void* const*>(all.data(), end, caller);
  return std::vector<void*>(begin == end ? all.data() : begin, end);
}

// Notes that the calling thread, holding `held`, asks for `wanted`. Returns the cycle that this
// closes.
Cycle note(Graph& all, Lock held, Lock wanted, void* caller) {
  Cycle cycle;
  auto& after = all.after[held];
  if (after.contains(wanted)) return cycle;
  const std::vector<Lock> back = all.way(wanted, held);
  after.emplace(wanted, Seen{ipc::SharedKernel::self(), stack_of(caller)});
  for (std::size_t i = 1; i < back.size(); ++i)
    cycle.edges.push_back(all.edge(back[i - 1], back[i]));
  if (!back.empty()) cycle.edges.push_back(all.edge(held, wanted));
  return cycle;
}

void report(const Cycle& cycle, const std::shared_ptr<Handler>& handler) {
  if (handler && *handler) {
    (*handler)(cycle);
  } else {
    std::fprintf(stderr, "%s", cycle.text().c_str());
  }
}

bool asked_for() noexcept {
  const char* const value = std::getenv("POLYIO_CHECK_LOCKS");  // NOLINT(concurrency-mt-unsafe)
  return value && std::string_view(value) == "1";
}

}  // namespace

namespace detail {

constinit std::atomic<bool> watching{false};

void before_wait(const void* lock) noexcept {
  if (mine.busy) return;
  void* const caller = __builtin_return_address(0);
  const Busy busy;
  mine.catch_up();
  try {
    std::vector<Cycle> cycles;
    std::shared_ptr<Handler> handler;
    {
      const std::lock_guard guard(graph().mutex);
      for (std::size_t i = 0; i < mine.count; ++i) {
        if (mine.held[i] == lock) return;  // it will get EDEADLK
      }
      for (std::size_t i = 0; i < mine.count; ++i) {
        Cycle cycle = note(graph(), mine.held[i], lock, caller);
        if (!cycle.edges.empty()) cycles.push_back(std::move(cycle));
      }
      if (cycles.empty()) return;
      handler = graph().handler;
    }
    for (const Cycle& cycle : cycles) report(cycle, handler);
  } catch (const std::exception&) {  // no memory: this time it is not watched
    return;
  }
}

void locked(const void* lock) noexcept {
  if (mine.busy) return;
  mine.catch_up();
  if (mine.count == mine.held.size()) return;
  mine.held[mine.count++] = lock;
}

void unlocking(const void* lock) noexcept {
  if (mine.busy) return;
  for (std::size_t i = mine.count; i > 0; --i) {
    if (mine.held[i - 1] != lock) continue;
    for (; i < mine.count; ++i) mine.held[i - 1] = mine.held[i];
    --mine.count;
    return;
  }
}

}  // namespace detail

namespace {
[[maybe_unused]] const bool from_the_start = asked_for() && (enable(), true);
}

std::string Edge::where() const {
  const os::Symbolizer symbolizer;
  const auto of_locks = [](std::string_view function) {
    return function.empty() || function.starts_with("polyio::lock_order::") ||
           function.starts_with("polyio::ipc::RobustWord<") ||
           function.starts_with("polyio::ipc::BasicMutex<") ||
           function.starts_with("polyio::ipc::BasicRLock<");
  };
  for (void* const address : stack) {
    const os::Symbol symbol = symbolizer.at(address, true);
    const std::string& function = symbol.within.empty() ? symbol.function : symbol.within;
    if (of_locks(function)) continue;
    // The line may be that of an inlined lock function: then the caller's name says more.
    return symbol.file.ends_with("polyio/ipc/mutex.hpp") ? function : symbol.text;
  }
  return "an unknown place";
}

std::string Cycle::text() const {
  std::string text =
      fmt::format("polyio: locks in contradicting orders, {} of them:\n", edges.size());
  for (const Edge& edge : edges) {
    text += fmt::format("  {} and then {}, by thread {}: {}\n", edge.held, edge.wanted, edge.thread,
                        edge.where());
  }
  return text;
}

void enable() {
  times_enabled.fetch_add(1);
  detail::watching.store(true);
}

void disable() {
  detail::watching.store(false);
  const std::lock_guard guard(graph().mutex);
  graph().after.clear();
}

void set_handler(std::function<void(const Cycle&)> handler) {
  auto shared = std::make_shared<Handler>(std::move(handler));
  const std::lock_guard guard(graph().mutex);
  graph().handler = std::move(shared);
}

void set_name(const void* lock, std::string_view name) {
  const std::lock_guard guard(graph().mutex);
  graph().names[lock] = name;
}

void forget(const void* memory, std::size_t bytes) noexcept {
  const auto* const begin = static_cast<const std::byte*>(memory);
  const auto gone = [=](Lock lock) {
    return !std::less<>()(lock, begin) && std::less<>()(lock, begin + bytes);
  };
  const std::lock_guard guard(graph().mutex);
  std::erase_if(graph().names, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(graph().after, [&](const auto& entry) { return gone(entry.first); });
  for (auto& [held, after] : graph().after) {
    std::erase_if(after, [&](const auto& entry) { return gone(entry.first); });
  }
}

}  // namespace polyio::lock_order
