// PageServer: serves one page and its WebSocket to the browsers that look at it. The rule: a name
// that a stranger can point here, and a page of another site, are refused; what a browser sends is
// bounded and goes to `obey`, whose refusal it is answered; one that does not read is let go.
#pragma once

#include <functional>
#include <memory>
#include <polyio/proto/http.hpp>
#include <polyio/server/server.hpp>
#include <polyio/sync/queue.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lab/results.hpp"

namespace polyio::lab {

class PageServer {
 public:
  struct Options {
    std::string_view page;                // HTML
    std::string policy;                   // its Content-Security-Policy
    std::vector<std::string> host_names;  // besides IP addresses and localhost
    // What a browser gets when it comes.
    std::function<std::vector<Json>()> greeting;
    // A message of a browser. Throws std::invalid_argument: the answer is {"type": "error",
    // "text": …}.
    std::function<void(std::string_view)> obey;
  };
  explicit PageServer(Options options);

  // The connection handler, of one loop.
  Task<> serve(Io& io, Stream stream);
  struct Answer {
    std::string bytes;
    bool upgraded = false;  // a WebSocket follows
  };
  Answer answer(const proto::Request& request) const;
  // To all that look.
  void tell(const Json& message);

 private:
  using Frame = std::shared_ptr<const std::string>;
  class Viewer;
  Answer answer_handshake(const proto::Request& request) const;
  Task<> converse(Io& io, Stream& stream, std::string rest);
  Task<> read_frames(Io& io, Stream& stream, Viewer& viewer, std::string rest);
  static Task<> write_frames(Io& io, Stream& stream, Viewer& viewer);

  Options options_;
  std::string etag_;
  std::vector<Viewer*> viewers_;
};

}  // namespace polyio::lab
