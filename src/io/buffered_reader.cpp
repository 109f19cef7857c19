#include <algorithm>
#include <cstring>
#include <new>
#include <polyio/io/buffered_reader.hpp>

namespace polyio {
namespace {

constexpr std::size_t npos = std::string_view::npos;

}  // namespace

// Consumes what the last call gave.
void BufferedReader::begin() noexcept {
  (kept().empty() ? at_ : kept_at_) += given_;
  given_ = searched_ = 0;
  if (kept().empty()) {
    kept_ = {};
    kept_at_ = 0;
  }
  if (fresh().empty()) {
    lease_ = {};
    at_ = 0;
  }
}

// How many bytes there are up to the delimiter's end; npos: it is not there.
std::size_t BufferedReader::end_of(std::string_view delimiter) {
  const std::size_t overlap = delimiter.size() - 1;
  const std::size_t from = searched_ > overlap ? searched_ - overlap : 0;
  if (const auto place = kept().find(delimiter, from); place != npos) {
    return place + delimiter.size();
  }
  searched_ = kept().size();
  // It may have begun in what is kept.
  for (std::size_t begun = std::min(kept().size(), overlap); begun > 0; --begun) {
    if (kept().ends_with(delimiter.substr(0, begun)) &&
        fresh().starts_with(delimiter.substr(begun))) {
      return kept().size() + delimiter.size() - begun;
    }
  }
  const auto place = fresh().find(delimiter);
  return place == npos ? npos : kept().size() + place + delimiter.size();
}

// True: the unit is there, `found_` bytes long, and in one piece.
Result<bool> BufferedReader::find(const Unit& unit) try {
  const std::size_t there = kept().size() + fresh().size();
  if (unit.some) {
    found_ = kept().empty() ? there : kept().size();
    return found_ > 0;
  }
  if (unit.delimiter.empty()) {
    if (there < unit.count) return false;
    found_ = unit.count;
  } else {
    const std::size_t most = unit.count + (unit.line ? 2 : 0);  // with "\r\n"
    const std::size_t end = end_of(unit.delimiter);
    if (end == npos && there < most) return false;
    if (end == npos || end > most) return fail(EMSGSIZE);
    found_ = end;
  }
  if (!kept().empty() && found_ > kept().size()) keep(found_ - kept().size());
  const bool too_long = unit.line && give(unit).size() > unit.count;
  given_ = 0;
  if (too_long) return fail(EMSGSIZE);
  return true;
} catch (const std::bad_alloc&) {
  return fail(ENOMEM);
}

// Moves the next `count` bytes of the lease to the end of what is kept.
void BufferedReader::keep(std::size_t count) {
  kept_.append(fresh().substr(0, count));
  at_ += count;
}

Task<Result<>> BufferedReader::fetch(Unit unit) {
  for (;;) {
    try {
      keep(fresh().size());
    } catch (const std::bad_alloc&) {
      co_return fail(ENOMEM);
    }
    lease_ = {};
    at_ = 0;
    auto chunk = co_await stream_.receive();
    if (!chunk) co_return fail(chunk.error());
    lease_ = std::move(*chunk);
    const Result<bool> found = find(unit);
    if (!found) co_return fail(found.error());
    if (*found) co_return Result<>();
    if (!lease_.empty()) continue;
    if (unit.some) co_return Result<>();
    co_return fail(Errc::end_of_file);
  }
}

std::span<std::byte> BufferedReader::give(const Unit& unit) noexcept {
  given_ = found_;
  const bool in_lease = kept().empty();
  const std::string_view text = (in_lease ? fresh() : kept()).substr(0, found_);
  const std::size_t ending = !unit.line ? 0 : text.ends_with("\r\n") ? 2 : 1;
  std::byte* const data = in_lease ? lease_.bytes().data() + at_
                                   : std::as_writable_bytes(std::span(kept_)).data() + kept_at_;
  return {data, text.size() - ending};
}

Task<Result<>> BufferedReader::read_into(std::span<std::byte> room) {
  const Unit some{.some = true};
  begin();
  while (!room.empty() && buffered() > 0) {
    (void)find(some);
    const std::span<std::byte> there = give(some);
    given_ = std::min(there.size(), room.size());
    std::memcpy(room.data(), there.data(), given_);
    room = room.subspan(given_);
    begin();
  }
  while (!room.empty()) {
    auto count = co_await stream_.receive_into(room);
    if (!count) co_return fail(count.error());
    if (*count == 0) co_return fail(Errc::end_of_file);
    room = room.subspan(*count);
  }
  co_return Result<>();
}

}  // namespace polyio
