#include "handlers.hpp"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <vector>

namespace polyio::lab {
namespace {

// Computes for `span` of this thread's own CPU time.
void compute(Nanoseconds span) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
  };
  const Nanoseconds end = now() + span;
  while (now() < end) {
  }
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
    const Nanoseconds span = work.span * static_cast<std::int64_t>(received / size - done);
    done = received / size;
    if (span.count() > 0 && work.kind == Work::Kind::cpu) compute(span);
    if (span.count() > 0 && work.kind == Work::Kind::sleep) {
      auto slept = co_await io.sleep(span);
      if (!slept) co_return;
    }
    if (marks) marks->sending = monotonic_now().time_since_epoch().count();
    auto sent = co_await stream.send_all(kept);
    if (!sent) co_return;
  }
}

}  // namespace

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

Work parse_work(std::string_view text) {
  if (text == "echo") return {};
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view time = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
  std::int64_t count = 0;
  const auto parsed = std::from_chars(time.data(), time.data() + time.size(), count);
  const std::string_view unit(parsed.ptr, time.data() + time.size());
  const std::int64_t scale = unit == "us"   ? 1'000
                             : unit == "ms" ? 1'000'000
                             : unit == "s"  ? 1'000'000'000
                                            : 0;
  constexpr std::int64_t most = 60'000'000'000;
  const bool named = name == "sleep" || name == "cpu";
  if (!named || parsed.ec != std::errc{} || scale == 0 || count < 1 || count > most / scale) {
    throw std::invalid_argument(fmt::format(
        "no handler {:?}: echo, sleep:TIME or cpu:TIME, such as sleep:5ms, cpu:200us", text));
  }
  return {name == "sleep" ? Work::Kind::sleep : Work::Kind::cpu, Nanoseconds(count * scale)};
}

Handler make_handler(const Work& work, std::size_t size, Marks* marks) {
  if (work.kind == Work::Kind::echo && !marks) return upper;
  return [=](Io& io, Stream stream) { return worked(io, std::move(stream), work, size, marks); };
}

}  // namespace polyio::lab
