#include "handlers.hpp"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <polyio/exec/offload.hpp>
#include <stdexcept>
#include <vector>

namespace polyio::lab {
namespace {

// How many of `messages` more have work, of all that this process gets.
std::int64_t count_heavy(const Work& work, std::uint64_t messages) {
  static std::atomic<std::uint64_t> all = 0;
  const std::uint64_t before = all.fetch_add(messages, std::memory_order_relaxed);
  return static_cast<std::int64_t>((before + messages) / work.every - before / work.every);
}

// The bytes are copied, so that no buffer of the driver is held through the work.
Task<> worked(Io& io, Stream stream, Work work, std::size_t size, Marks* marks) {
  std::uint64_t received = 0, done = 0;
  std::vector<std::byte> kept;
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    if (marks) {
      thread_local const int own = ::gettid();
      marks->thread = own;
      marks->began = monotonic_now().time_since_epoch().count();
    }
    ascii_upper(chunk->bytes());
    kept.assign(chunk->bytes().begin(), chunk->bytes().end());
    *chunk = Lease();
    received += kept.size();
    const Nanoseconds span = work.span * count_heavy(work, received / size - done);
    done = received / size;
    if (span.count() > 0 && work.kind == Work::Kind::cpu) compute_for(span);
    if (span.count() > 0 && work.kind == Work::Kind::sleep) {
      auto slept = co_await io.sleep(span);
      if (!slept) co_return;
    }
    if (span.count() > 0 && work.kind == Work::Kind::offload) {
      auto heavy = [span] { compute_for(span); };
      auto computed = co_await offload(io, heavy);
      if (!computed) co_return;
    }
    if (marks) marks->sending = monotonic_now().time_since_epoch().count();
    auto sent = co_await stream.send_all(kept);
    if (!sent) co_return;
  }
}

}  // namespace

void compute_for(Nanoseconds span) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
  };
  const Nanoseconds end = now() + span;
  while (now() < end) {
  }
}

void ascii_upper(std::span<std::byte> bytes) noexcept {
  for (std::byte& b : bytes) {
    const bool small = b >= std::byte{'a'} && b <= std::byte{'z'};
    b ^= small ? std::byte{0x20} : std::byte{0};  // no branch, so that it vectorises
  }
}

Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

std::optional<Nanoseconds> parse_time(std::string_view text) {
  std::int64_t count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(parsed.ptr, text.data() + text.size());
  const std::int64_t scale = unit == "us"   ? 1'000
                             : unit == "ms" ? 1'000'000
                             : unit == "s"  ? 1'000'000'000
                                            : 0;
  constexpr std::int64_t most = 60'000'000'000;
  if (parsed.ec != std::errc{} || scale == 0 || count < 1 || count > most / scale) return {};
  return Nanoseconds(count * scale);
}

Work parse_work(std::string_view text) {
  if (text == "echo") return {};
  const auto refuse = [&] {
    throw std::invalid_argument(
        fmt::format("no handler {:?}: echo, or sleep:TIME, cpu:TIME or offload:TIME, such as "
                    "sleep:5ms, cpu:200us; cpu:20ms/400: for one message of 400",
                    text));
  };
  const auto colon = text.find(':'), slash = text.find('/');
  if (colon == text.npos) refuse();
  Work work;
  const std::string_view name = text.substr(0, colon);
  if (name == "sleep") work.kind = Work::Kind::sleep;
  if (name == "cpu") work.kind = Work::Kind::cpu;
  if (name == "offload") work.kind = Work::Kind::offload;
  const auto time = parse_time(text.substr(colon + 1, slash - colon - 1));
  if (work.kind == Work::Kind::echo || !time) refuse();
  work.span = *time;
  if (slash == text.npos) return work;
  const std::string_view share = text.substr(slash + 1);
  const auto parsed = std::from_chars(share.data(), share.data() + share.size(), work.every);
  constexpr std::uint64_t most = 1'000'000;
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == share.data() + share.size();
  if (!whole || work.every < 1 || work.every > most) refuse();
  return work;
}

Handler make_handler(const Work& work, std::size_t size, Marks* marks) {
  if (work.kind == Work::Kind::echo && !marks) return upper;
  return [=](Io& io, Stream stream) { return worked(io, std::move(stream), work, size, marks); };
}

}  // namespace polyio::lab
