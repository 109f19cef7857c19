// The lines of calls.def with their faults, which of them is wanted, and how often each was called.
#include "table.hpp"

#include <netdb.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "operations.hpp"

namespace polyio::torture {
namespace {

constexpr bool can_be_short(LineIndex line) {
  switch (line) {
#define CALL(...)
#define SHORT(result, name, ...) case line_##name:
#define OWN(...)
#define OP(...)
#define SAFE(...)
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE
    case line_sendmsg:
    case line_read:
    case line_write:
    case line_io_uring_queue_init_params:
    case line_op_accept:
    case line_op_recv:
    case line_op_send:
    case line_op_sendmsg:
    case line_op_poll: return true;
    default: return false;
  }
}

std::vector<Line> make_lines() {
  std::vector<Line> all{
#define CALL(result, name, parameters, arguments, how, ...) {#name, {__VA_ARGS__}},
#define SHORT(result, name, parameters, arguments, less, how, ...) {#name, {__VA_ARGS__}},
#define OWN(name, ...) {#name, {__VA_ARGS__}},
#define OP(name, ...) {"io_uring." #name, {__VA_ARGS__}},
#define SAFE(name, reason)
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (can_be_short(static_cast<LineIndex>(i))) all[i].faults.push_back(made_short);
  }
  return all;
}

// In memory that the processes which the library forks share: the n-th call is one of them all.
struct Seen {
  std::atomic<unsigned> counted[line_count];
  std::atomic<Fired> state;
};
Seen* seen;
std::atomic<bool> armed;
Fault wanted;
thread_local int exempt;

}  // namespace

int next(LineIndex line) noexcept {
  if (!armed.load(std::memory_order_relaxed) || exempt > 0) return 0;
  const unsigned number = seen->counted[line].fetch_add(1, std::memory_order_relaxed) + 1;
  if (line != wanted.line || number != wanted.number) return 0;
  seen->state.store(Fired::yes);
  return wanted.error;
}

void cannot_be() noexcept { seen->state.store(Fired::impossible); }

bool watching() noexcept { return armed.load() && exempt == 0; }

std::span<const Line> lines() {
  static const std::vector<Line> all = make_lines();
  return all;
}

std::span<const Safe> safe_symbols() {
  static const std::vector<Safe> all{
#define CALL(...)
#define SHORT(...)
#define OWN(...)
#define OP(...)
#define SAFE(name, reason) {#name, reason},
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE
  };
  return all;
}

std::span<const std::string_view> wrapped_symbols() {
  static const std::vector<std::string_view> all{
#define CALL(result, name, ...) #name,
#define SHORT(result, name, ...) #name,
#define OWN(name, ...) #name,
#define OP(...)
#define SAFE(...)
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE
  };
  return all;
}

void arm(const Fault& fault) {
  (void)lines();
  disarm();
  wanted = fault;
  // Fresh each time: that of the process which made this one is another's.
  if (Seen* const before = std::exchange(seen, nullptr)) ::munmap(before, sizeof *before);
  void* const zeros =
      ::mmap(nullptr, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (zeros == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  seen = new (zeros) Seen{};
  armed.store(true);
}

void disarm() { armed.store(false); }

std::vector<unsigned> counts() {
  std::vector<unsigned> all;
  for (std::size_t i = 0; seen && i < line_count; ++i) all.push_back(seen->counted[i].load());
  return all;
}

Fired fired() { return seen ? seen->state.load() : Fired::no; }

Exempt::Exempt() noexcept { ++exempt; }
Exempt::~Exempt() { --exempt; }

std::string name_of_error(int error) {
  if (error == made_short) return "short";
  const char* const name = ::strerrorname_np(error);
  return name ? name : "EAI(" + std::to_string(error) + ")";
}

std::string text_of(const Fault& fault) {
  return std::string(lines()[fault.line].name) + ":" + std::to_string(fault.number) + ":" +
         name_of_error(fault.error);
}

Fault parse_fault(std::string_view text) {
  for (std::size_t i = 0; i < lines().size(); ++i) {
    for (const int error : lines()[i].faults) {
      for (const auto& [name, value] : {std::pair(lines()[i].name, name_of_error(error))}) {
        if (!text.starts_with(name) || !text.ends_with(":" + value)) continue;
        const std::string number(text.substr(name.size()));
        unsigned count = 0;
        if (std::sscanf(number.c_str(), ":%u:", &count) == 1) return {i, count, error};
      }
    }
  }
  return {};
}

int next_operation(Operation operation) noexcept {
  switch (operation) {
    case Operation::accept: return next(line_op_accept);
    case Operation::recv: return next(line_op_recv);
    case Operation::send: return next(line_op_send);
    case Operation::sendmsg: return next(line_op_sendmsg);
    case Operation::recvmsg: return next(line_op_recvmsg);
    case Operation::connect: return next(line_op_connect);
    case Operation::poll: return next(line_op_poll);
  }
  return 0;
}

}  // namespace polyio::torture
