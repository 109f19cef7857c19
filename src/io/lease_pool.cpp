#include <polyio/io/lease_pool.hpp>
#include <utility>

namespace polyio {

// --- OwnBuffers ---

bool OwnBuffers::out(Handle connection) const noexcept {
  if (connection.slot >= connections_.size()) return false;
  const std::uint32_t index = connections_[connection.slot].buffer;
  return index != none && buffers_[index].holder == connection;
}

std::uint32_t OwnBuffers::take_entry(std::size_t size) {
  std::unique_ptr<std::byte[]> memory(new std::byte[size]);
  if (first_free_ == none) {
    buffers_.emplace_back();
    first_free_ = static_cast<std::uint32_t>(buffers_.size() - 1);
  }
  const std::uint32_t index = first_free_;
  first_free_ = std::exchange(buffers_[index].next_free, none);
  buffers_[index].memory = std::move(memory);
  ++lent_;
  return index;
}

std::uint32_t OwnBuffers::take(Handle connection, std::size_t size) {
  if (connections_.size() <= connection.slot) connections_.resize(connection.slot + 1);
  const bool first = !out(connection);
  const std::uint32_t index = take_entry(size);
  buffers_[index].holder = connection;
  buffers_[index].for_large = false;
  if (first) connections_[connection.slot].buffer = index;
  return first_id_ + index;
}

std::uint32_t OwnBuffers::take_for_large(std::size_t size) {
  const std::uint32_t index = take_entry(size);
  buffers_[index].for_large = true;
  return first_id_ + index;
}

bool OwnBuffers::give_back(std::uint32_t id) noexcept {
  const std::uint32_t index = id - first_id_;
  Buffer& buffer = buffers_[index];
  POLYIO_ASSERT(buffer.memory);
  buffer.memory.reset();
  buffer.next_free = std::exchange(first_free_, index);
  --lent_;
  if (buffer.for_large) return true;
  Connection& connection = connections_[buffer.holder.slot];
  if (connection.buffer != index) return false;  // it has another, or has ended
  connection.buffer = none;
  if (connection.waiting) wake(*connection.waiting);
  return false;
}

void OwnBuffers::wait(Op& op) noexcept {
  POLYIO_ASSERT(op.handle.slot < connections_.size());
  Job& job = job_of(op);
  connections_[op.handle.slot].waiting = &job;
  waiting_.push_back(job);
}

void OwnBuffers::wake(Job& job) noexcept {
  static_cast<ListNode<ReadyTag>&>(job).unlink();
  connections_[job.handle.slot].waiting = nullptr;
  job.io.make_ready(job);
}

void OwnBuffers::wake_one() noexcept {
  if (Job* const job = waiting_.front()) wake(*job);
}

bool OwnBuffers::waits(const Op& op) const noexcept {
  return op.handle.slot < connections_.size() && connections_[op.handle.slot].waiting == &op;
}

bool OwnBuffers::forget(Op& op) noexcept {
  if (!waits(op)) return false;
  static_cast<ListNode<ReadyTag>&>(job_of(op)).unlink();
  connections_[op.handle.slot].waiting = nullptr;
  return true;
}

// --- LeasePool ---

// None is free that has memory.
LeasePool::Buffer LeasePool::take_another(Handle connection, Io& io) {
  if (first_bare_ == OwnBuffers::none && large_.size() < sizes_.limit) {
    large_.emplace_back();
    first_bare_ = static_cast<std::uint32_t>(large_.size() - 1);
    ++bare_count_;
  }
  if (first_bare_ == OwnBuffers::none) {
    io.lease_shortage();
    return own_.out(connection) ? Buffer{} : take_own(connection);
  }
  const std::uint32_t id = first_bare_;
  Large& buffer = large_[id];
  buffer.memory.reset(new std::byte[sizes_.large]);
  first_bare_ = buffer.next_free;
  --bare_count_;
  return at(id);
}

LeasePool::Buffer LeasePool::take_own(Handle connection) {
  return at(own_.take(connection, sizes_.own));
}

LeasePool::Buffer LeasePool::at(std::uint32_t id) const noexcept {
  if (id >= sizes_.limit) return {own_.data(id), id, static_cast<std::uint32_t>(sizes_.own)};
  return {large_[id].memory.get(), id, static_cast<std::uint32_t>(sizes_.large)};
}

void LeasePool::give_back_rarely(std::uint32_t id) noexcept {
  if (id >= sizes_.limit) return (void)own_.give_back(id);
  if (kept_ < sizes_.keep) {
    keep(id);
  } else {
    large_[id].memory.reset();
    large_[id].next_free = std::exchange(first_bare_, id);
    ++bare_count_;
  }
  own_.wake_one();
}

}  // namespace polyio
