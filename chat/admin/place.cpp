#include "place.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <polyio/os/file.hpp>
#include <stdexcept>

namespace polyio::chat {
namespace {

namespace fs = std::filesystem;

std::string from_environment(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
  const char* const value = std::getenv(name);
  return value ? value : "";
}

std::string default_folder() {
  if (auto folder = from_environment("STATE_DIRECTORY"); !folder.empty()) return folder;
  if (auto state = from_environment("XDG_STATE_HOME"); !state.empty()) {
    return state + "/polyio-chat";
  }
  const std::string home = from_environment("HOME");
  if (home.empty()) {
    throw std::runtime_error(
        "there is no HOME to keep messages in: say where by --data DIR, or --memory to keep none");
  }
  return home + "/.local/state/polyio-chat";
}

}  // namespace

std::string Place::named(std::string folder) {
  return folder.empty() ? default_folder() : std::move(folder);
}

Place::Place(std::string folder) : folder_(named(std::move(folder))) {
  std::error_code error;
  if (!fs::is_directory(folder_, error)) {
    const fs::path path(folder_);
    fs::create_directories(path, error);
    if (!error) fs::permissions(path, fs::perms::owner_all, error);
  }
  if (error) {
    throw std::runtime_error(
        fmt::format("the folder {} can't be made ({}): name another by --data DIR, or say --memory",
                    folder_, error.message()));
  }
  auto lock = os::lock_file((folder_ + "/chat.lock").c_str());
  if (!lock && lock.error() == std::errc::operation_would_block) {
    throw std::runtime_error(fmt::format(
        "a chat that runs uses {}: stop it, or name another folder by --data DIR", folder_));
  }
  if (!lock) {
    throw std::runtime_error(
        fmt::format("the folder {} can't be written to ({}): name another by --data DIR, or say "
                    "--memory",
                    folder_, lock.error().message()));
  }
  lock_ = std::move(*lock);
}

}  // namespace polyio::chat
