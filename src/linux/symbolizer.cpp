#include <cxxabi.h>
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <polyio/linux/symbolizer.hpp>
#include <utility>

namespace polyio::os {
namespace {

// dwfl_standard_find_debuginfo might ask a server on the network (debuginfod): not from here.
int no_other_file(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                  GElf_Word, char**) {
  return -1;
}

constexpr Dwfl_Callbacks callbacks{.find_elf = dwfl_linux_proc_find_elf,
                                   .find_debuginfo = no_other_file,
                                   .section_address = nullptr,
                                   .debuginfo_path = nullptr};

// The compilation unit that has the code at `pc`, an address in the module's own count. Looked for
// in all of them: clang writes no .debug_aranges, which libdwfl's own search needs.
Dwarf_Die* unit_of(Dwfl_Module* module, Dwarf_Addr pc, Dwarf_Addr& bias) {
  Dwarf_Die* unit = nullptr;
  do {
    unit = dwfl_module_nextcu(module, unit, &bias);
  } while (unit && dwarf_haspc(unit, pc - bias) <= 0);
  return unit;
}

// The name of the function inlined at `pc`, innermost; nullptr: none is.
const char* inlined_at(Dwarf_Die* unit, Dwarf_Addr pc) {
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes(unit, pc, &scopes);
  const std::unique_ptr<Dwarf_Die, decltype(&std::free)> owned(scopes, &std::free);
  for (int i = 0; i < count; ++i) {
    if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram) break;
    if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine) continue;
    Dwarf_Attribute place;
    Dwarf_Attribute* name = dwarf_attr_integrate(&scopes[i], DW_AT_linkage_name, &place);
    return name ? dwarf_formstring(name) : dwarf_diename(&scopes[i]);
  }
  return nullptr;
}

std::string readable(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? plain.get() : name;
}

}  // namespace

struct Symbolizer::State {
  Dwfl* dwfl = nullptr;
};

Symbolizer::Symbolizer() : state_(std::make_unique<State>()) {
  Dwfl* dwfl = dwfl_begin(&callbacks);
  if (!dwfl) return;
  if (dwfl_linux_proc_report(dwfl, ::getpid()) != 0 ||
      dwfl_report_end(dwfl, nullptr, nullptr) != 0) {
    dwfl_end(dwfl);
    return;
  }
  state_->dwfl = dwfl;
}

Symbolizer::~Symbolizer() {
  if (state_->dwfl) dwfl_end(state_->dwfl);
}

Symbol Symbolizer::at(const void* address, bool returns) const {
  Symbol symbol;
  const auto pc = reinterpret_cast<Dwarf_Addr>(address) - (returns ? 1 : 0);
  Dwfl_Module* const module = state_->dwfl ? dwfl_addrmodule(state_->dwfl, pc) : nullptr;
  const char* name = module ? dwfl_module_addrname(module, pc) : nullptr;
  Dl_info found{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): dladdr takes a pointer
  if (!name && ::dladdr(reinterpret_cast<void*>(pc), &found)) name = found.dli_sname;
  if (name) symbol.function = readable(name);
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* unit = module ? unit_of(module, pc, bias) : nullptr) {
    if (Dwarf_Line* line = dwarf_getsrc_die(unit, pc - bias)) {
      const char* file = dwarf_linesrc(line, nullptr, nullptr);
      if (file) symbol.file = std::filesystem::path(file).lexically_normal();
      (void)dwarf_lineno(line, &symbol.line);
    }
    if (const char* inner = inlined_at(unit, pc - bias)) {
      symbol.within = std::exchange(symbol.function, readable(inner));
    }
  }
  symbol.text = symbol.function.empty() ? fmt::format("{}", address) : symbol.function;
  if (!symbol.file.empty()) symbol.text += fmt::format(" at {}:{}", symbol.file, symbol.line);
  return symbol;
}

}  // namespace polyio::os
