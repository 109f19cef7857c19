// BufferPool: the receive buffers that leases lend, for drivers that pick one just before the
// system call. Last in, first out, so that one hot buffer serves all connections in turn. Bounded;
// a few free ones are kept. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace polyio {

class BufferPool {
 public:
  static constexpr std::size_t buffer_size = 64 * 1024;
  static constexpr std::uint32_t none = UINT32_MAX;

  explicit BufferPool(std::uint32_t limit = 1024) : limit_(limit) {}

  // A buffer's id, or `none` when all are lent. Throws std::bad_alloc and has changed nothing then.
  std::uint32_t take() {
    if (first_free_ == none) {
      if (buffers_.size() == limit_) return none;
      buffers_.emplace_back();
      first_free_ = static_cast<std::uint32_t>(buffers_.size() - 1);
      ++free_;
    }
    const std::uint32_t id = first_free_;
    Buffer& buffer = buffers_[id];
    if (!buffer.memory) buffer.memory.reset(new std::byte[buffer_size]);
    first_free_ = buffer.next_free;
    --free_;
    return id;
  }
  void give_back(std::uint32_t id) noexcept {
    Buffer& buffer = buffers_[id];
    if (free_ >= keep) buffer.memory.reset();
    buffer.next_free = first_free_;
    first_free_ = id;
    ++free_;
  }
  std::byte* data(std::uint32_t id) const noexcept { return buffers_[id].memory.get(); }

 private:
  static constexpr std::size_t keep = 16;
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    std::uint32_t next_free = none;
  };
  std::uint32_t limit_;
  std::uint32_t first_free_ = none;
  std::uint32_t free_ = 0;
  std::vector<Buffer> buffers_;
};

}  // namespace polyio
