// The commands under `polyio chat` that look after its accounts, rooms and data.
#pragma once

#include <memory>

#include "commands.hpp"

namespace polyio::app {

// `data`: the folder, once the command line has been read.
void add_chat_admin(CLI::App& chat, const std::shared_ptr<const std::string>& data, Run& run);

}  // namespace polyio::app
