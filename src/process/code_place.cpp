#include <link.h>

#include <polyio/process/code_place.hpp>
#include <polyio/process/process.hpp>

namespace polyio::process::detail {
namespace {

// The file that begin() belongs to, as it is loaded here.
struct Module {
  std::uintptr_t begin = 0, end = 0;
};

std::uintptr_t anchor() noexcept { return reinterpret_cast<std::uintptr_t>(&process::begin); }

int look_for_anchor(dl_phdr_info* file, std::size_t, void* found) noexcept {
  for (int i = 0; i < file->dlpi_phnum; ++i) {
    const auto& part = file->dlpi_phdr[i];
    const std::uintptr_t begin = file->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || anchor() < begin || anchor() >= begin + part.p_memsz) continue;
    *static_cast<Module*>(found) = {begin, begin + part.p_memsz};
    return 1;
  }
  return 0;
}

const Module& this_module() noexcept {
  static const Module module = [] {
    Module found;
    ::dl_iterate_phdr(look_for_anchor, &found);
    return found;
  }();
  return module;
}

}  // namespace

Result<std::uint64_t> place_of(const void* code) noexcept {
  if (!code) return 0;
  const auto at = reinterpret_cast<std::uintptr_t>(code);
  if (at < this_module().begin || at >= this_module().end) return fail(Errc::target_not_sendable);
  return at - this_module().begin + 1;
}

const void* code_at(std::uint64_t place) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the same code, loaded at another address
  return place ? reinterpret_cast<const void*>(this_module().begin + place - 1) : nullptr;
}

}  // namespace polyio::process::detail
