#include "outbox.hpp"

namespace polyio::chat {

namespace {
Gap all_of(const Run& run) { return {run.room, run.first, run.first + run.count - 1}; }
}  // namespace

bool Outbox::push_message(Piece piece, const Run& run, Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  if (refuses_) return true;
  if (messages_ == 0 && gaps_.empty()) {  // a message larger than the bound passes when alone
    waiting_since_ = now;
  } else if (!gaps_.empty() || messages_ + run.count > max_messages ||
             message_bytes_ + piece->size() > max_message_bytes) {
    return skip(run, now);
  }
  const auto size = static_cast<std::uint32_t>(piece->size());
  try {
    pieces_.push_back(std::move(piece));
    messages_ = static_cast<std::uint16_t>(messages_ + run.count);
    message_bytes_ += size;
  } catch (const std::bad_alloc&) {
    miss(all_of(run));
  }
  wake(writer_.load(std::memory_order_relaxed));
  return true;
}

// After a gap everything is skipped until the writer has reported the gap: order is kept.
bool Outbox::skip(const Run& run, Nanoseconds now) {
  if (gaps_.empty()) {
    if (now >= distrusted_until_ && now - waiting_since_ < patience) {
      notes_ |= Note::awaited;
      return false;
    }
    distrusted_until_ = now + distrust;
  }
  miss(all_of(run));
  return true;
}

// What can't even be noted ends the session: nothing is lost without a word.
void Outbox::miss(const Gap& gap) noexcept {
  if (gaps_.empty()) gap_at_ = static_cast<std::uint32_t>(pieces_.size());
  for (Gap& known : gaps_) {
    if (known.room != gap.room || known.to + 1 != gap.from) continue;
    known.to = gap.to;
    return;
  }
  try {
    gaps_.push_back(gap);
  } catch (const std::bad_alloc&) {
    fail_locked();
  }
}

void Outbox::push_presence(Piece piece) noexcept {
  const std::lock_guard lock(mutex_);
  if (refuses_) return;
  if (!gaps_.empty() || message_bytes_ + piece->size() > max_message_bytes) {
    notes_ |= Note::presence_lost;
  }
  if (notes_ & Note::presence_lost) return;
  const auto size = static_cast<std::uint32_t>(piece->size());
  try {
    pieces_.push_back(std::move(piece));
    message_bytes_ += size;
  } catch (const std::bad_alloc&) {
    notes_ |= Note::presence_lost;
  }
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::lose_presence() noexcept {
  const std::lock_guard lock(mutex_);
  if (refuses_) return;
  notes_ |= Note::presence_lost;
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::push_gap(const Gap& gap) noexcept {
  const std::lock_guard lock(mutex_);
  miss(gap);
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::set_catching_up(bool more) {
  const std::lock_guard lock(mutex_);
  if (more) {
    notes_ |= Note::catching_up;
    wake(writer_.load(std::memory_order_relaxed));  // it may have taken the piece already
    return;
  }
  notes_ &= static_cast<std::uint8_t>(~Note::catching_up);
  history_due_ = false;
  wake(reader_);
}

void Outbox::charge(std::uint32_t cost) {
  const std::lock_guard lock(mutex_);
  owed_ += cost;
}

void Outbox::repay(std::uint32_t cost) {
  const std::lock_guard lock(mutex_);
  const bool waits = owed_ >= window;
  owed_ -= cost;
  if (waits && owed_ < window) wake(reader_);
}

void Outbox::push_reply(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (notes_ & Note::closed) return;
  if (replies_due_ > 0) --replies_due_;
  reply_bytes_ += bytes.size();
  add(std::move(bytes));
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::push_notice(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (notes_ & Note::closed) return;
  reply_bytes_ += bytes.size();
  if (reply_bytes_ > 2 * max_reply_bytes) return fail_locked();
  add(std::move(bytes));
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::expect_reply() {
  const std::lock_guard lock(mutex_);
  ++replies_due_;
}

void Outbox::expect_history() {
  const std::lock_guard lock(mutex_);
  history_due_ = true;
}

void Outbox::push_pong(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (notes_ & Note::closed) return;
  Piece pong = std::make_shared<const std::string>(std::move(bytes));
  if (notes_ & Note::pong_first) {
    pieces_.front() = std::move(pong);
  } else {  // at the front, because a close frame must stay last
    pieces_.insert(pieces_.begin(), std::move(pong));
    ++gap_at_;
    notes_ |= Note::pong_first;
  }
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::close(std::string last) {
  const std::lock_guard lock(mutex_);
  if (!(notes_ & Note::closed) && !last.empty()) add(std::move(last));
  notes_ |= Note::closed;
  refuses_ = true;
  wake(writer_.load(std::memory_order_relaxed));
}

void Outbox::fail() noexcept {
  const std::lock_guard lock(mutex_);
  fail_locked();
}

void Outbox::fail_locked() noexcept {
  pieces_ = {};
  gaps_ = {};
  notes_ = Note::closed | Note::failed;
  refuses_ = true;
  wake(writer_.load(std::memory_order_relaxed));
}

Outbox::Batch Outbox::take() {
  const std::lock_guard lock(mutex_);
  Batch batch;
  batch.pieces = std::exchange(pieces_, {});
  batch.gaps = std::exchange(gaps_, {});
  batch.gap_at = gap_at_;
  batch.notes = notes_;
  notes_ &= Note::closed | Note::failed;
  messages_ = message_bytes_ = 0;
  if (reply_bytes_ > 0) wake(reader_);
  reply_bytes_ = 0;
  return batch;
}

void Outbox::set_writer(Job* writer) {
  const std::lock_guard lock(mutex_);
  writer_.store(writer, std::memory_order_relaxed);
  if (writer) return;
  writer_ended_ = refuses_ = true;
  wake(reader_);
}

bool Outbox::writer_ended() const {
  const std::lock_guard lock(mutex_);
  return writer_ended_;
}

void Outbox::set_reader(Job* reader) {
  const std::lock_guard lock(mutex_);
  reader_ = reader;
}

bool Outbox::reader_must_wait() const {
  const std::lock_guard lock(mutex_);
  return reply_bytes_ > max_reply_bytes || replies_due_ >= max_replies_due || history_due_ ||
         owed_ >= window;
}

}  // namespace polyio::chat
