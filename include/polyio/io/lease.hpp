// Lease: received bytes in a buffer that belongs to the driver (or to a StreamLayer). It goes back
// when the Lease is destroyed or the next one is assigned over it, so an idle connection holds no
// buffer. The bytes may be changed in place. Not thread-safe; it must not outlive its Io.
#pragma once

#include <polyio/io/driver.hpp>
#include <span>
#include <string_view>
#include <utility>

namespace polyio {

class Lease {
 public:
  Lease() = default;
  Lease(Lender& owner, std::byte* data, std::uint32_t size, std::uint32_t buffer) noexcept
      : owner_(&owner), data_(data), size_(size), buffer_(buffer) {}
  Lease(Lease&& other) noexcept { swap(other); }
  Lease& operator=(Lease&& other) noexcept {
    Lease(std::move(other)).swap(*this);
    return *this;
  }
  ~Lease() {
    if (owner_) owner_->give_back(buffer_);
  }
  void swap(Lease& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(buffer_, other.buffer_);
  }

  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  std::size_t size() const noexcept { return size_; }
  // No bytes: the peer has finished sending.
  bool empty() const noexcept { return size_ == 0; }

 private:
  Lender* owner_ = nullptr;
  std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t buffer_ = 0;
};

}  // namespace polyio
