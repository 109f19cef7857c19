#include "outbox.hpp"

namespace polyio::chat {

void Outbox::push_message(Piece piece) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  const bool full =
      messages_ > 0 &&  // one that is larger than the bound gets through when it is alone
      (messages_ >= max_messages || message_bytes_ + piece->size() > max_message_bytes);
  // Once something was skipped the rest is, until the writer has told the gap: order is kept.
  if (skipped_ > 0 || full) {
    if (skipped_++ == 0) gap_at_ = pieces_.size();
    return;
  }
  ++messages_;
  message_bytes_ += piece->size();
  pieces_.push_back(std::move(piece));
  wake(writer_);
}

void Outbox::push_reply(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (replies_due_ > 0) --replies_due_;
  reply_bytes_ += bytes.size();
  pieces_.push_back(std::make_shared<const std::string>(std::move(bytes)));
  wake(writer_);
}

void Outbox::expect_reply() {
  const std::lock_guard lock(mutex_);
  ++replies_due_;
}

void Outbox::push_pong(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  pong_ = std::make_shared<const std::string>(std::move(bytes));
  wake(writer_);
}

void Outbox::close(std::string last) {
  const std::lock_guard lock(mutex_);
  if (!closed_ && !last.empty()) {
    pieces_.push_back(std::make_shared<const std::string>(std::move(last)));
  }
  closed_ = true;
  wake(writer_);
}

Outbox::Batch Outbox::take() {
  const std::lock_guard lock(mutex_);
  Batch batch;
  batch.pieces = std::exchange(pieces_, {});
  batch.skipped = std::exchange(skipped_, 0);
  batch.gap_at = gap_at_;
  if (pong_) {  // first: a close frame must stay the last
    batch.pieces.insert(batch.pieces.begin(), std::exchange(pong_, nullptr));
    ++batch.gap_at;
  }
  batch.closed = closed_;
  messages_ = message_bytes_ = 0;
  if (reply_bytes_ > 0) wake(reader_);
  reply_bytes_ = 0;
  return batch;
}

void Outbox::set_writer(Job* writer) {
  const std::lock_guard lock(mutex_);
  writer_ = writer;
}

void Outbox::set_reader(Job* reader) {
  const std::lock_guard lock(mutex_);
  reader_ = reader;
}

bool Outbox::replies_full() const {
  const std::lock_guard lock(mutex_);
  return reply_bytes_ > max_reply_bytes || replies_due_ >= max_replies_due;
}

}  // namespace polyio::chat
