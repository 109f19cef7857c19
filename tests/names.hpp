// Names: addresses of Unix sockets for one test, in a directory of its own that goes with it.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace polyio {

class Names {
 public:
  Names() { std::filesystem::create_directory(directory_); }
  ~Names() { std::filesystem::remove_all(directory_); }
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  std::filesystem::path path(const std::string& name) const { return directory_ / name; }
  std::string file(const std::string& name) const { return "unix:" + path(name).string(); }
  std::string abstract(const std::string& name) const { return "unix:@" + unique_ + name; }

 private:
  static std::string make_unique_name() {
    static std::atomic<int> count{0};
    return "polyio-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + "-";
  }
  const std::string unique_ = make_unique_name();
  const std::filesystem::path directory_ = std::filesystem::temp_directory_path() / unique_;
};

}  // namespace polyio
