// Fanout: senders say something, every receiver must get all of it, in each sender's order, byte
// for byte. A message counts once the last receiver has it; then its sender says the next one, so
// that `depth` are under way. What falls due in one turn leaves a sender in one write.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.hpp"
#include "network.hpp"
#include "options.hpp"
#include "protocol.hpp"

namespace polyio::lab {

class Fanout {
 public:
  // `options` must outlive it. Nothing is connected yet.
  explicit Fanout(const Options& options);
  ~Fanout();
  Fanout(const Fanout&) = delete;
  Fanout& operator=(const Fanout&) = delete;

  // How many connections there will be: receivers, and senders that need one of their own.
  std::size_t size() const { return peers_.size(); }
  // Connects until `count` are connected.
  void connect(std::size_t count);
  // All are connected: probes until every receiver got the last one. Then all have joined and
  // nothing is under way.
  void synchronise();
  // Talks for as long as the options say, unmeasured.
  void warm_up();
  // Sends `requests` messages, or with 0 for as long as the options say, and measures.
  Json measure(std::uint64_t requests);

 private:
  struct Peer {
    int fd = -1;
    std::string partial;      // the beginning of a frame
    std::string unsent;       // what is to be written at the end of the turn
    bool blocked = false;     // the kernel's send buffer is full
    std::uint32_t probe = 0;  // 1 + the number of the last probe it got
  };
  struct Underway {
    std::string expected;       // what each receiver must get
    std::size_t remaining = 0;  // receivers that have not got it
    std::int64_t started = 0;
  };
  struct Sender {
    std::size_t peer = 0;
    std::string name;
    std::uint32_t issued = 0;
    std::vector<Underway> underway;  // by number, modulo its size
  };

  std::int64_t phase(double seconds, std::uint64_t messages);
  std::string text(char kind, std::size_t sender, std::uint32_t number) const;
  void say(std::size_t index, std::int64_t now);
  void turn(std::int64_t timeout);
  void write(std::size_t index, std::string_view bytes);
  void flush();
  void receive(std::size_t index);
  void take(std::size_t index, std::string_view whole, const Frame& frame);
  void take_probe(Peer& peer, std::string_view whole, std::string_view said);
  void done(std::size_t sender, const Underway& message);
  [[noreturn]] static void wrong(std::string_view got, std::string_view expected);

  const Options& options_;
  std::unique_ptr<Protocol> protocol_;
  Epoll epoll_;
  Watchdog watchdog_;
  std::vector<char> buffer_;
  std::vector<Peer> peers_;  // receivers first
  std::size_t connected_ = 0;
  std::vector<Sender> senders_;
  std::vector<std::uint32_t> next_;  // per receiver and sender: the number it must get next
  std::vector<std::size_t> writing_;
  std::size_t receivers_ = 0;
  std::string probe_;       // the last one's text
  std::size_t probed_ = 0;  // receivers that have it
  std::int64_t last_probed_ = 0;
  Histogram latency_;
  std::int64_t last_done_ = 0;
  bool sending_ = false;
  std::uint64_t budget_ = 0;
  std::uint64_t outstanding_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace polyio::lab
