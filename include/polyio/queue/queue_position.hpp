// What a Queue's ring is made of: its shape, the word that holds a position, the head of a record.
// The rule: a position is one word, so one store moves it, and it counts messages as well as bytes,
// so the size is right whichever process is killed.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <polyio/ipc/kernel.hpp>
#include <polyio/os/spin.hpp>
#include <type_traits>

namespace polyio::ipc {

// The head of a message in the ring; its bytes follow, up to a multiple of `unit`.
struct Record {
  static constexpr std::size_t unit = 8;

  Record() = default;
  explicit Record(std::uint32_t size) noexcept : length(size), check(~size) {}
  bool can_be(std::uint32_t largest) const noexcept {
    return check == ~length && length <= largest;
  }
  // What a message of `size` bytes takes.
  static constexpr std::uint32_t units(std::size_t size) noexcept {
    return static_cast<std::uint32_t>(1 + (size + unit - 1) / unit);
  }

  std::uint32_t length = 0, check = 0;
};
static_assert(sizeof(Record) == Record::unit);

// Fixed when the queue is made.
struct QueueShape {
  static constexpr std::uint64_t max_capacity = std::uint64_t{1} << 32;

  std::uint64_t capacity = 0;   // bytes of the ring: a power of two
  std::uint32_t largest = 0;    // message, in bytes
  std::uint32_t messages = 0;   // at most; 0: as many as there is room for
  std::uint32_t producers = 1;  // that must have come before their absence means the end
  std::uint32_t unused = 0;

  bool can_be() const noexcept {
    return std::has_single_bit(capacity) && capacity >= 64 && capacity <= max_capacity &&
           Record::units(largest) <= capacity / Record::unit;
  }
};

// 32 bits: how many units have gone by; 32 bits: how many messages.
struct Position {
  static std::uint32_t units(std::uint64_t position) noexcept {
    return static_cast<std::uint32_t>(position);
  }
  static std::uint64_t after(std::uint64_t position, std::uint32_t units_more) noexcept {
    const auto units_there = static_cast<std::uint32_t>(position + units_more);
    return ((position >> 32) + 1) << 32 | units_there;
  }
  // Between them.
  static std::uint32_t messages(std::uint64_t head, std::uint64_t tail) noexcept {
    return static_cast<std::uint32_t>((tail >> 32) - (head >> 32));
  }
};

// Spins until the other side has moved.
template <class K>
struct QueueSpin {
  static bool until_changed(const std::atomic<std::uint64_t>& word, std::uint64_t from) noexcept {
    if constexpr (std::is_same_v<K, SharedKernel> || std::is_same_v<K, ThreadKernel>) {
      return os::spin_until_changed(word, from);
    } else {
      return false;  // the tests' kernels have no time to lose
    }
  }
};

}  // namespace polyio::ipc
