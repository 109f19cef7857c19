#include "fanout.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "report.hpp"

namespace polyio::lab {
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

}  // namespace

Fanout::Fanout(const Options& options)
    : options_(options), epoll_(options.spin), watchdog_(options.patience), buffer_(256 * 1024) {
  if (options.size < 32) throw std::invalid_argument("--size: at least 32 here");
  if (options.senders > 256) throw std::invalid_argument("--senders: at most 256");
  if (options.senders > options.connections) throw std::invalid_argument("too many senders");
  const std::string host = fmt::format("127.0.0.1:{}", ntohs(options.server.sin_port));
  protocol_ = Protocol::make(options.protocol, host);
  receivers_ = options.connections;
  const std::size_t extra = protocol_->senders_receive() ? 0 : options.senders;
  peers_.resize(receivers_ + extra);
  for (std::size_t i = 0; i < options.senders; ++i) {
    Sender sender;
    sender.peer = extra == 0 ? i : receivers_ + i;
    sender.underway.resize(options.depth);
    senders_.push_back(std::move(sender));
  }
  next_.resize(receivers_ * options.senders);
}

Fanout::~Fanout() {
  for (const Peer& peer : peers_) {
    if (peer.fd >= 0) close(peer.fd);
  }
}

void Fanout::connect(std::size_t count) {
  for (; connected_ < count; ++connected_) {
    Peer& peer = peers_[connected_];
    peer.fd = connect_one(options_.server, connected_);
    epoll_.add(peer.fd, connected_);
    if (connected_ < receivers_) write(connected_, protocol_->greeting());
    flush();
  }
}

void Fanout::synchronise() {
  for (Sender& sender : senders_) sender.name = python_name(peers_[sender.peer].fd);
  constexpr std::int64_t quiet = 400'000'000;
  const std::int64_t start = now_ns();
  for (std::uint32_t number = 0;; ++number) {
    probe_ = text('p', 0, number);
    probed_ = 0;
    write(senders_[0].peer, protocol_->request(probe_));
    flush();
    last_probed_ = now_ns();
    while (probed_ < receivers_ && now_ns() - last_probed_ < quiet) turn(50'000'000);
    if (probed_ == receivers_) return;
    if (now_ns() - start > static_cast<std::int64_t>(options_.patience * 3e9)) {
      throw std::runtime_error(
          fmt::format("only {} of {} receivers get what is said", probed_, receivers_));
    }
  }
}

void Fanout::warm_up() {
  if (options_.warmup > 0) phase(options_.warmup, unlimited);
}

Json Fanout::measure(std::uint64_t requests) {
  latency_ = {};
  messages_ = bytes_ = 0;
  Measurement measurement;
  measurement.start(options_);
  const std::int64_t elapsed =
      requests > 0 ? phase(1e6, requests) : phase(options_.seconds, unlimited);
  measurement.stop(options_);
  Json json = measurement.report(options_, messages_ * receivers_, bytes_, elapsed, latency_);
  json["messages"] = messages_;
  return json;
}

std::int64_t Fanout::phase(double seconds, std::uint64_t messages) {
  const std::int64_t start = now_ns();
  const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
  budget_ = messages;
  sending_ = true;
  watchdog_.moved(start);
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    for (std::size_t d = 0; d < options_.depth; ++d) say(i, start);
  }
  flush();
  while (outstanding_ > 0) {
    turn(100'000'000);
    const std::int64_t now = now_ns();
    if (now >= end) sending_ = false;
    watchdog_.check(now, fmt::format("{} messages to reach all receivers", outstanding_));
  }
  return last_done_ - start;
}

// A text of the wanted size: kind, sender, number, then letters that depend on them.
std::string Fanout::text(char kind, std::size_t sender, std::uint32_t number) const {
  std::string all = fmt::format("{}{:02x}{:08x} ", kind, sender, number);
  std::uint32_t letter = number * 7 + static_cast<std::uint32_t>(sender);
  while (all.size() < options_.size - 1) all += static_cast<char>('a' + letter++ % 26);
  return all;
}

void Fanout::say(std::size_t index, std::int64_t now) {
  if (!sending_ || budget_ == 0) return;
  --budget_;
  ++outstanding_;
  Sender& sender = senders_[index];
  const std::string said = text('m', index, sender.issued);
  Underway& message = sender.underway[sender.issued++ % sender.underway.size()];
  message.expected = protocol_->delivery(sender.name, said);
  message.remaining = receivers_;
  message.started = now;
  write(sender.peer, protocol_->request(said));
}

void Fanout::turn(std::int64_t timeout) {
  for (const epoll_event& event : epoll_.wait(timeout)) {
    const std::size_t index = event.data.u64;
    if ((event.events & EPOLLOUT) != 0) {
      peers_[index].blocked = false;
      epoll_.modify(peers_[index].fd, index, EPOLLIN);
      write(index, {});
    }
    if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(index);
  }
  flush();
}

void Fanout::write(std::size_t index, std::string_view bytes) {
  Peer& peer = peers_[index];
  if (peer.unsent.empty() || bytes.empty()) writing_.push_back(index);
  peer.unsent += bytes;
}

void Fanout::flush() {
  for (const std::size_t index : writing_) {
    Peer& peer = peers_[index];
    if (peer.unsent.empty() || peer.blocked) continue;
    const ssize_t n =
        send(peer.fd, peer.unsent.data(), peer.unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) fail("send");
    if (n > 0) peer.unsent.erase(0, static_cast<std::size_t>(n));
    if (peer.unsent.empty()) continue;
    peer.blocked = true;
    epoll_.modify(peer.fd, index, EPOLLIN | EPOLLOUT);
  }
  writing_.clear();
}

void Fanout::receive(std::size_t index) {
  Peer& peer = peers_[index];
  const ssize_t n = recv(peer.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) fail("recv");
  if (n == 0) throw std::runtime_error("the server closed a connection");
  std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
  std::string whole;
  if (!peer.partial.empty()) {
    whole = std::move(peer.partial);
    whole += bytes;
    bytes = whole;
  }
  while (!bytes.empty()) {
    const Frame frame = protocol_->split(bytes);
    if (frame.kind == Frame::Kind::incomplete) break;
    take(index, bytes.substr(0, frame.size), frame);
    bytes.remove_prefix(frame.size);
  }
  peer.partial.assign(bytes);
}

void Fanout::take(std::size_t index, std::string_view whole, const Frame& frame) {
  if (frame.kind == Frame::Kind::ping) write(index, protocol_->answer_to(frame.text));
  if (frame.kind != Frame::Kind::message || index >= receivers_) return;
  if (frame.text.starts_with('p')) return take_probe(peers_[index], whole, frame.text);
  std::size_t sender = senders_.size();
  if (frame.text.size() > 3) {
    std::from_chars(frame.text.data() + 1, frame.text.data() + 3, sender, 16);
  }
  if (sender >= senders_.size()) wrong(whole, "a message of one of the senders");
  Sender& from = senders_[sender];
  std::uint32_t& next = next_[index * senders_.size() + sender];
  if (next == from.issued) wrong(whole, "nothing: it has everything already");
  Underway& message = from.underway[next % from.underway.size()];
  if (!protocol_->same(whole, message.expected)) wrong(whole, message.expected);
  ++next;
  bytes_ += whole.size();
  if (--message.remaining == 0) done(sender, message);
}

void Fanout::take_probe(Peer& peer, std::string_view whole, std::string_view said) {
  std::uint32_t number = 0;
  if (said.size() > 11) {
    std::from_chars(said.data() + 3, said.data() + 11, number, 16);
  }
  const std::string expected = protocol_->delivery(senders_[0].name, text('p', 0, number));
  if (!protocol_->same(whole, expected)) wrong(whole, expected);
  if (peer.probe != 0 && number != peer.probe) wrong(whole, fmt::format("probe {}", peer.probe));
  peer.probe = number + 1;
  last_probed_ = now_ns();
  if (said == probe_) ++probed_;
}

void Fanout::done(std::size_t sender, const Underway& message) {
  last_done_ = now_ns();
  watchdog_.moved(last_done_);
  latency_.add(last_done_ - message.started);
  ++messages_;
  --outstanding_;
  say(sender, last_done_);
}

void Fanout::wrong(std::string_view got, std::string_view expected) {
  throw std::runtime_error(fmt::format("a receiver got\n  {}\ninstead of\n  {}", got.substr(0, 200),
                                       expected.substr(0, 200)));
}

Json run_fanout(const Options& options) {
  Fanout fanout(options);
  fanout.connect(fanout.size());
  fanout.synchronise();
  fanout.warm_up();
  return fanout.measure(options.requests);
}

}  // namespace polyio::lab
