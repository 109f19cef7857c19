// Where the chat keeps its database, and that one server alone uses it.
#pragma once

#include <polyio/os/unique_fd.hpp>
#include <string>

namespace polyio::chat {

// A folder, held by this process until the object goes.
class Place {
 public:
  // `folder`: made, for its owner only, if it is not there. Empty: $STATE_DIRECTORY, which systemd
  // sets; or polyio-chat in $XDG_STATE_HOME or in ~/.local/state. Throws std::runtime_error, which
  // says what is wrong and what to do.
  explicit Place(std::string folder);

  // The folder that is meant.
  static std::string named(std::string folder);

  const std::string& folder() const noexcept { return folder_; }
  std::string database() const { return database(folder_); }
  std::string socket() const { return socket(folder_); }  // see control.hpp
  static std::string database(const std::string& folder) { return folder + "/chat.db"; }
  static std::string socket(const std::string& folder) { return folder + "/chat.sock"; }

 private:
  std::string folder_;
  os::UniqueFd lock_;
};

}  // namespace polyio::chat
