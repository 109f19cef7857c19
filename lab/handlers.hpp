// What the lab's servers do with a message: answer it in upper case, at once or after work. So
// every byte of an answer can be checked, whatever the work is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <polyio/server/server.hpp>
#include <span>
#include <string_view>

#include "marks.hpp"

namespace polyio::lab {

struct Work {
  enum class Kind { echo, sleep, cpu, offload } kind = Kind::echo;
  Nanoseconds span{};       // per message that has work
  std::uint64_t every = 1;  // that many messages of the process, one has work
};
// "echo"; "sleep:5ms", the handler waits and its loop goes on; "cpu:200us", it computes;
// "offload:20ms", it has a thread of a pool compute and its loop goes on. "cpu:20ms/400": one of
// 400 messages does. At most a minute. Throws std::invalid_argument that says what is possible.
Work parse_work(std::string_view text);

// "5ms": us, ms or s, a minute at most. Nothing: it is none.
std::optional<Nanoseconds> parse_time(std::string_view text);

// Computes for `span` of this thread's own processor time.
void compute_for(Nanoseconds span);

void ascii_upper(std::span<std::byte> bytes) noexcept;

// The upper-casing handler of the tutorials: the same under every model and architecture.
Task<> upper(Io& io, Stream stream);

// `upper`, with the work for every `size` bytes, which are a message. With `marks` it says when.
Handler make_handler(const Work& work, std::size_t size, Marks* marks = nullptr);

}  // namespace polyio::lab
