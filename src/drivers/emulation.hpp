// Emulation: how the tests run a model whose system this is not. The product never calls it.
#pragma once

#include <polyio/drivers/registry.hpp>

namespace polyio {

// From now on `model` is available, and made by `make`. Before main() or before any other thread
// asks the registry; `model` must be in the table.
void emulate_model(std::string_view model, ModelTraits::Make make) noexcept;

}  // namespace polyio
