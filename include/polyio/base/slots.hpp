// Slots: a table whose entries are named by an index, which the caller chooses, and a generation,
// so that a name that is kept too long is noticed. Drivers have one entry per descriptor number.
// Entries come in chunks as they are needed, so that a table with one large index is small; an
// entry never moves. The rule: giving one back never fails and allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace polyio {

template <class T>
class Slots {
 public:
  // Generations have 31 bits, and go round.
  static constexpr std::uint32_t generation_mask = (std::uint32_t{1} << 31) - 1;

  // Makes sure that there is an entry `index`. Throws std::bad_alloc and has changed nothing that
  // counts then.
  void make_room(std::size_t index) {
    const std::size_t chunk = index / per_chunk;
    if (chunks_.size() <= chunk) chunks_.resize(chunk + 1);
    if (!chunks_[chunk]) chunks_[chunk] = std::make_unique<Entry[]>(per_chunk);
    size_ = chunks_.size() * per_chunk;
  }
  // Takes an entry that is free; its value is as T is made. Returns its generation. Throws
  // std::bad_alloc and has changed nothing that counts then.
  std::uint32_t take(std::size_t index) {
    make_room(index);
    return entry(index).generation &= generation_mask;
  }
  // The same with the generation that it has in another table; there must be room.
  void take_as(std::size_t index, std::uint32_t generation) noexcept {
    entry(index).generation = generation;
  }
  // Ends the entry, and returns its value: its generation is the next.
  T give_back(std::size_t index) noexcept {
    Entry& ended = entry(index);
    ended.generation = ((ended.generation + 1) & generation_mask) | free_bit;
    return std::exchange(ended.value, T{});
  }
  // The entry's value, if it is taken and this is its present owner; else nullptr.
  T* find(std::size_t index, std::uint32_t generation) noexcept {
    if (!exists(index)) [[unlikely]]
      return nullptr;
    Entry& found = entry(index);
    return found.generation == generation ? &found.value : nullptr;
  }
  bool holds(std::size_t index, std::uint32_t generation) const noexcept {
    return exists(index) && entry(index).generation == generation;
  }
  bool taken(std::size_t index) const noexcept {
    return exists(index) && !(entry(index).generation & free_bit);
  }
  // Of an entry that is taken.
  std::uint32_t generation_of(std::size_t index) const noexcept { return entry(index).generation; }
  T& operator[](std::size_t index) noexcept { return entry(index).value; }
  const T& operator[](std::size_t index) const noexcept { return entry(index).value; }
  // All indices are below it.
  std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::size_t per_chunk = 64;
  static constexpr std::uint32_t free_bit = ~generation_mask;
  struct Entry {
    T value{};
    std::uint32_t generation = free_bit;
  };
  bool exists(std::size_t index) const noexcept {
    return index < size_ && chunks_[index / per_chunk];
  }
  Entry& entry(std::size_t index) noexcept { return chunks_[index / per_chunk][index % per_chunk]; }
  const Entry& entry(std::size_t index) const noexcept {
    return chunks_[index / per_chunk][index % per_chunk];
  }
  std::vector<std::unique_ptr<Entry[]>> chunks_;
  std::size_t size_ = 0;
};

}  // namespace polyio
