#include "sessions.hpp"

#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/sniff.hpp>

namespace polyio::chat {
namespace {

std::string gap_notice(const Member& member, const Gap& gap) {
  if (member.client()->is_page()) return gap_frame(gap);
  const auto count = gap.to + 1 - gap.from;
  const std::string of = gap.room == lobby_id ? "" : " of " + member.title(gap.room);
  return fmt::format("-- {} message{}{} skipped ({} to {})\n", count, count == 1 ? "" : "s", of,
                     gap.from, gap.to);
}

struct NotServed : std::exception {
  const char* what() const noexcept override { return "its room had no memory for it"; }
};

// The task that is to be unparked for an outbox, until its end.
template <void (Outbox::*set)(Job*)>
class Waiting {
 public:
  Waiting(Io& io, Outbox& outbox) : outbox_(outbox) { (outbox.*set)(&io.current()); }
  ~Waiting() { (outbox_.*set)(nullptr); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  Outbox& outbox_;
};
using ByWriter = Waiting<&Outbox::set_writer>;
using ByReader = Waiting<&Outbox::set_reader>;

enum class Sending : std::uint8_t { goes_on, finished, failed };

// Sends what is in the outbox now: a single piece directly, several as lists. A coroutine of its
// own, so that an idle client does not keep its frame (tests/chat/memory_test.cpp).
Task<Sending> send_batch(Member& member, Stream& stream) {
  Outbox::Batch batch = member.outbox().take();
  if (batch.failed()) throw NotServed();
  if (batch.awaited()) member.has_space();
  auto& pieces = batch.pieces;
  if (!batch.gaps.empty()) {
    std::string notices;
    for (const Gap& gap : batch.gaps) notices += gap_notice(member, gap);
    pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(batch.gap_at),
                  std::make_shared<const std::string>(std::move(notices)));
  }
  if (pieces.size() == 1) {
    auto sent = co_await stream.send_all(std::string_view(*pieces[0]));
    if (!sent) co_return Sending::failed;
  } else {
    std::vector<Part> parts;
    for (std::size_t next = 0; next < pieces.size();) {
      parts.clear();
      for (; next < pieces.size() && parts.size() < 512; ++next) {
        parts.emplace_back(std::string_view(*pieces[next]));
      }
      auto sent = co_await stream.send_all(std::span<const Part>(parts));
      if (!sent) co_return Sending::failed;
    }
  }
  if (batch.notes == 0) co_return Sending::goes_on;
  if (batch.catching_up() || batch.presence_lost()) member.has_taken(batch);
  co_return batch.closed() ? Sending::finished : Sending::goes_on;
}

}  // namespace

Task<> write_outbox(Member& member, Stream& stream, TaskGroup& group) {
  Sending state = Sending::goes_on;
  {
    const ByWriter writer(stream.io(), member.outbox());
    while (state == Sending::goes_on) {
      const Sending now = co_await send_batch(member, stream);
      state = now;
      if (state != Sending::goes_on) break;
      auto parked = co_await stream.io().park();  // not at all if something came while it sent
      if (!parked) state = Sending::failed;
    }
  }
  member.has_space();  // the room need not wait for this one
  if (state == Sending::failed) group.cancel();
}

Task<bool> wait_for_room(Io& io, Outbox& outbox) {
  const ByReader reader(io, outbox);
  while (outbox.reader_must_wait()) {
    auto parked = co_await io.park();
    if (!parked) co_return false;
  }
  co_return true;
}

Task<> let_writer_finish(Io& io, Outbox& outbox, TaskGroup& group, Deadline end) {
  CancelScope patience(io, end);
  const ByReader reader(io, outbox);
  bool finishing = !group.cancelled();
  while (finishing && !outbox.writer_ended()) {
    auto parked = co_await io.park();
    finishing = parked.has_value();
  }
  if (!finishing) group.cancel();
}

Task<> say_farewell(Io& io, Stream& stream, Deadline end) {
  if (!stream.shutdown_send()) co_return;
  CancelScope patience(io, end);
  for (std::size_t taken = 0; taken < 256 * 1024;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    taken += chunk->size();
  }
}

}  // namespace polyio::chat
