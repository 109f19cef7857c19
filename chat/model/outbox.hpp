// Outbox: what is still to be sent to one client, and what the client itself has said that is not
// given out yet. Messages are shared, not copied, and bounded. While the client reads, its room
// waits for space here, and the senders for the room; a client that has not read for a while misses
// messages until it has caught up, and then gets their number. Replies to its own requests are
// never skipped (its reader waits instead), and neither are control frames, of which at most one
// pong is kept. Thread-safe; an idle outbox holds no heap memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <polyio/base/clock.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <polyio/io/io.hpp>
#include <string>
#include <vector>

#include <chat/store/store.hpp>

namespace polyio::chat {

// Encoded bytes that several receivers may share.
using Piece = std::shared_ptr<const std::string>;

// Consecutive entries of a room's log.
struct Run {
  Run(std::size_t entries = 1, Sequence from = 1, RoomId of = lobby_id) noexcept
      : room(of), first(from), count(static_cast<std::uint16_t>(entries)) {}
  RoomId room;
  Sequence first;
  std::uint16_t count;
};

// Entries that a client has missed.
struct Gap {
  RoomId room = lobby_id;
  Sequence from = 0, to = 0;
};

class Outbox {
 public:
  static constexpr std::size_t max_messages = 256;
  static constexpr std::size_t max_message_bytes = 256 * 1024;
  static constexpr std::size_t max_reply_bytes = 256 * 1024;
  static constexpr std::size_t max_replies_due = 4;
  // What a client may have said that its rooms have not given out.
  static constexpr std::uint32_t window = 32 * 1024;
  // For how long a full outbox holds up its room before messages are skipped, and for how long
  // after that it does not hold it up again.
  static constexpr Nanoseconds patience{500'000'000};
  static constexpr Nanoseconds distrust{10'000'000'000};

  // Adds entries in one piece, or skips them: the second also when there is no memory. False:
  // neither. There is no space, but the client has read lately: try again later, at the latest when
  // take() answers `awaited`. `now` is the time in the room.
  bool push_message(Piece piece, const Run& run = {}, Nanoseconds now = {});
  // Adds frames of presence, or notes that some are missing: the writer then asks for a list.
  void push_presence(Piece piece) noexcept;
  void lose_presence() noexcept;
  // An answer to this client alone.
  void push_reply(std::string bytes);
  // Something it has not asked for, such as an invitation. A client that lets too much of it wait
  // is cut off: fail().
  void push_notice(std::string bytes);
  // Notes that the client has asked its room for something: one reply will come.
  void expect_reply();
  // The same for the history, of which only one part can be on its way.
  void expect_history();
  // Entries that are asked for and too old to be had: reported as skipped, in this place.
  void push_gap(const Gap& gap) noexcept;
  // After a piece of the history, whether there is more: the writer then asks the room for it,
  // once.
  void set_catching_up(bool more);
  // A WebSocket pong. Replaces one that still waits, as RFC 6455 (5.5.3) allows.
  void push_pong(std::string bytes);
  // Accepts nothing more. What is here is still sent, and then `last`, such as a close frame.
  void close(std::string last = {});
  // There was no memory for something that the client must get: its session ends, with an error.
  void fail() noexcept;

  // What a batch says besides, in one byte because every delivery looks at it.
  enum Note : std::uint8_t {
    closed = 1,
    awaited = 2,        // the room waits for space here
    catching_up = 4,    // there is more of the history
    presence_lost = 8,  // frames of push_presence were left out
    pong_first = 16,    // pieces[0] is one
    failed = 32         // see fail()
  };
  using Pieces = std::vector<Piece, FrameAllocator<Piece>>;
  // What the writer takes: the pieces in order, and which entries were skipped: before
  // pieces[gap_at], which is a reply or a close frame.
  struct Batch {
    Pieces pieces;
    std::vector<Gap> gaps;
    std::size_t gap_at = 0;
    std::uint8_t notes = 0;
    bool closed() const noexcept { return notes & Note::closed; }
    bool awaited() const noexcept { return notes & Note::awaited; }
    bool catching_up() const noexcept { return notes & Note::catching_up; }
    bool presence_lost() const noexcept { return notes & Note::presence_lost; }
    bool failed() const noexcept { return notes & Note::failed; }
    bool empty() const noexcept { return pieces.empty() && gaps.empty(); }
    std::uint64_t skipped() const noexcept {
      std::uint64_t all = 0;
      for (const Gap& gap : gaps) all += gap.to + 1 - gap.from;
      return all;
    }
  };
  Batch take();

  // What the client has said costs until every room has given it out.
  void charge(std::uint32_t cost);
  void repay(std::uint32_t cost);

  // The jobs to unpark when something is added (the writer) and when replies were taken, a charge
  // was repaid or the writer ends (the reader). Called by the client's own tasks; nullptr before
  // the task ends.
  void set_writer(Job* writer);
  void set_reader(Job* reader);
  // These fetch into the cache what push_message is about to touch: the outbox, then the writer.
  void prefetch() const noexcept {
    __builtin_prefetch(&mutex_, 1);
    __builtin_prefetch(&gaps_, 1);  // its second cache line
  }
  void prefetch_writer() const noexcept {
    __builtin_prefetch(writer_.load(std::memory_order_relaxed), 1);
  }
  bool writer_ended() const;
  // Whether the client asks for more than it reads, or says more than its rooms give out.
  bool reader_must_wait() const;

 private:
  void wake(Job* job) {
    if (job) job->io.unpark(*job);
  }

  bool skip(const Run& run, Nanoseconds now);
  void miss(const Gap& gap) noexcept;
  void fail_locked() noexcept;
  void add(std::string bytes) {
    pieces_.push_back(std::make_shared<const std::string>(std::move(bytes)));
  }

  mutable std::mutex mutex_;
  Pieces pieces_;
  std::atomic<Job*> writer_ = nullptr;  // changed under the lock, fetched ahead without
  Job* reader_ = nullptr;
  std::vector<Gap> gaps_;
  Nanoseconds waiting_since_{0};  // the first piece after a take(), in the room's time
  Nanoseconds distrusted_until_{0};
  std::uint32_t gap_at_ = 0;
  std::uint32_t message_bytes_ = 0;
  std::uint32_t reply_bytes_ = 0;
  std::uint32_t owed_ = 0;  // charged and not repaid
  std::uint16_t messages_ = 0;
  std::uint8_t replies_due_ = 0;
  std::uint8_t notes_ = 0;  // for the next batch
  bool refuses_ = false;    // messages: it is closed, or its writer has ended
  bool history_due_ : 1 = false;
  bool writer_ended_ : 1 = false;
};

}  // namespace polyio::chat
