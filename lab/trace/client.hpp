// Client: the other end of what is traced: it ends the wait, and says when.
#pragma once

#include <functional>
#include <memory>
#include <polyio/os/unique_fd.hpp>
#include <string>

#include "../marks.hpp"
#include "call.hpp"

namespace polyio::lab {

class Client {
 public:
  // When it began to do what ends the wait, and when that was done, 0 in the trace.
  struct Moment {
    TimePoint sending, data;
  };
  // Lets the traced process go on until the condition is true; throws when it takes too long.
  using Await = std::function<void(const std::function<bool()>&)>;

  virtual ~Client() = default;
  // Where the traced process is to connect to; empty: nowhere.
  virtual std::string target() const { return {}; }
  // The process is ready.
  virtual void meet(const std::string& address) = 0;
  virtual Moment act(const Await& await) = 0;
  // Whether all has come that is to come. Throws std::runtime_error when it is wrong.
  virtual bool done() = 0;
  // What may be waited for besides; -1: nothing.
  virtual int descriptor() const { return -1; }
};

// `marks` are the traced process's.
std::unique_ptr<Client> make_client(const Call& call, std::size_t size, const Marks& marks);

}  // namespace polyio::lab
