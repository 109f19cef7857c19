// The seam below the drivers: every call of libpolyio.a that can fail goes through a wrapper (the
// linker's --wrap, in this test program only; the product has none of it), which counts it and
// can make one of them fail once, as its manual page allows. The table is calls.def. The rule: a
// call that is made to fail has no effect, but where the manual page says it has.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::torture {

// Less than the call was asked for, or the smallest it may be made.
inline constexpr int made_short = -1;

// One line of the table. `index` is its number.
struct Line {
  std::string_view name;
  std::vector<int> faults;  // errnos, and made_short
};
std::span<const Line> lines();
// What can't fail: the symbol, or its beginning and a *, and why.
struct Safe {
  std::string_view name, reason;
};
std::span<const Safe> safe_symbols();
// Symbols that have a wrapper.
std::span<const std::string_view> wrapped_symbols();

// Which call of which line fails, with what. Numbers count from 1.
struct Fault {
  std::size_t line = SIZE_MAX;
  unsigned number = 0;
  int error = 0;
};

// Counts from now on, and lets `fault` happen. One at a time in a process.
void arm(const Fault& fault = {});
void disarm();
// Calls of each line since arm().
std::vector<unsigned> counts();
enum class Fired : std::uint8_t { no, yes, impossible };  // impossible: of that descriptor, now
Fired fired();

// What the calling thread does meanwhile is not the library's: not counted, never failed.
class Exempt {
 public:
  Exempt() noexcept;
  ~Exempt();
  Exempt(const Exempt&) = delete;
  Exempt& operator=(const Exempt&) = delete;
};

// Whether the kernel knows IORING_NOP_INJECT_RESULT (Linux 6.10), which single operations need.
bool operations_can_fail();

std::string name_of_error(int error);
// The fault as one word, "recv:3:ECONNRESET", and back; the default Fault if it is none.
std::string text_of(const Fault& fault);
Fault parse_fault(std::string_view text);

}  // namespace polyio::torture
