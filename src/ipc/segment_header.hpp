// The head of every segment of shared memory that polyio makes. It says what the segment is, so
// that a process that attaches it need not trust it. Written once, by the maker; `ready` comes
// last. The rule: the size is what the kernel says, and every field is checked against it and
// against what the reader expects.
#pragma once

#include <array>
#include <cstring>
#include <polyio/ipc/shared_memory.hpp>

namespace polyio::ipc {

struct SegmentHeader {
  static constexpr std::array<char, 8> magic_of_ours{'p', 'o', 'l', 'y', 'i', 'o', 's', 'm'};
  static constexpr std::uint32_t version_of_ours = 1;

  std::array<char, 8> magic{};
  std::uint32_t version = 0;
  std::uint32_t header_size = 0;
  std::uint64_t size = 0;  // of what comes behind
  Layout layout;
  std::array<std::uint64_t, 2> token{};
  std::uint64_t name_hash = 0;
  std::array<char, 64> name{};  // zeros behind; none: anonymous
  std::uint64_t checksum = 0;   // of all above
  std::uint32_t ready = 0;
  std::array<char, 52> unused{};

  std::uint64_t sum() const noexcept {
    return hash_of({reinterpret_cast<const char*>(this), offsetof(SegmentHeader, checksum)});
  }
  // Two of three must match, so that a segment with one damaged field is still recognised.
  bool is_about(std::string_view wanted) const noexcept {
    SegmentHeader other;
    wanted.copy(other.name.data(), other.name.size());
    return (magic == magic_of_ours) + (name == other.name) + (name_hash == hash_of(wanted)) >= 2;
  }
  // Errors: EBADMSG, damaged; EEXIST, of another size, type or version.
  Result<> check(std::size_t segment_size, std::size_t wanted, const Layout& expected) const {
    if (magic != magic_of_ours || checksum != sum() || ready > 1) return fail(EBADMSG);
    if (version != version_of_ours) return fail(EEXIST);
    if (header_size != sizeof *this || size != segment_size - sizeof *this) return fail(EBADMSG);
    if (size != wanted || layout != expected) return fail(EEXIST);
    return {};
  }
};
static_assert(sizeof(SegmentHeader) == 192 && sizeof(Layout) == 16);
static_assert(std::is_trivially_copyable_v<SegmentHeader>);

}  // namespace polyio::ipc
