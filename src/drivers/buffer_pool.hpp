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

  // A buffer's id, or `none` when all are lent.
  std::uint32_t take() {
    if (free_.empty()) {
      if (buffers_.size() == limit_) return none;
      buffers_.emplace_back();
      free_.push_back(static_cast<std::uint32_t>(buffers_.size() - 1));
    }
    const std::uint32_t id = free_.back();
    free_.pop_back();
    if (!buffers_[id]) buffers_[id].reset(new std::byte[buffer_size]);
    return id;
  }
  void give_back(std::uint32_t id) noexcept {
    if (free_.size() >= keep) buffers_[id].reset();
    free_.push_back(id);
  }
  std::byte* data(std::uint32_t id) const noexcept { return buffers_[id].get(); }

 private:
  static constexpr std::size_t keep = 16;
  std::uint32_t limit_;
  std::vector<std::unique_ptr<std::byte[]>> buffers_;
  std::vector<std::uint32_t> free_;
};

}  // namespace polyio
