// The echo scenario: an upper-casing server and a few clients over the sim driver's network. The
// oracle: what a client gets is always a beginning of what it sent, in upper case; all of it, and
// then the end, unless its connection was reset or it or the server was cancelled.
#pragma once

#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "explore.hpp"

namespace polyio::sim_test {

using Handler = Task<> (*)(Io&, Stream);

inline void ascii_upper(std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) {
    const char c = static_cast<char>(byte);
    if (c >= 'a' && c <= 'z') byte = static_cast<std::byte>(c - 'a' + 'A');
  }
}

inline std::string upper_of(std::string text) {
  ascii_upper(std::as_writable_bytes(std::span(text)));
  return text;
}

// The handler of the design, as it is.
inline Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    ascii_upper(chunk->bytes());
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

inline bool is_scope_end(std::error_code error) {
  return error == std::errc::operation_canceled || error == std::errc::timed_out;
}

class EchoServer {
 public:
  // `patience`: each accept gets a deadline after it, when not zero.
  EchoServer(Io& io, Handler handler, Nanoseconds patience)
      : io_(io), handler_(handler), patience_(patience) {}

  // Serves until its group is cancelled.
  Task<> serve(Listener& listener, TaskGroup& group) {
    for (;;) {
      auto stream = co_await accept(listener);
      if (group.cancelled()) co_return;
      if (stream) {
        (void)group.spawn(handler_, io_, std::move(*stream));
      } else if (!is_scope_end(stream.error())) {
        constexpr std::array legal{EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED};
        require_errno(stream.error(), legal, "accept");
        (void)co_await io_.sleep(std::chrono::milliseconds(1));
      }
    }
  }

 private:
  Task<Result<Stream>> accept(Listener& listener) {
    CancelScope limit(
        io_, patience_ == Nanoseconds::zero() ? never : deadline_after(io_.now(), patience_));
    auto stream = co_await listener.accept();
    co_return std::move(stream);
  }

  Io& io_;
  Handler handler_;
  Nanoseconds patience_;
};

class EchoClient {
 public:
  EchoClient(Io& io, SimDriver& sim, const os::Address& server, std::uint64_t seed,
             Deadline server_end)
      : io_(io), sim_(sim), server_(server), server_end_(server_end), random_(seed) {
    const auto draw = [this](unsigned per_cent) { return random_.chance(per_cent, 100); };
    ping_pong_ = draw(30);
    slow_ = draw(30);
    impatient_ = draw(30);
    rude_ = draw(10);
    resetter_ = draw(10);
    limited_ = draw(20);
    leases_ = draw(50);
    messages_ = random_.below(5);
    const std::uint32_t most =
        ping_pong_ ? sim.options().window_min : std::min(2 * sim.options().window_max, 3'000u);
    longest_ = 1 + random_.below(std::min(most, 3'000u));
  }

  Task<> run() {
    CancelScope limit(io_, limited_ ? deadline_after(io_.now(), upto(20)) : never);
    (void)co_await io_.sleep(upto(3));
    auto stream = co_await io_.connect(server_);
    if (!stream) {
      constexpr std::array legal{ECONNREFUSED, ETIMEDOUT,  EMFILE,   ENFILE,
                                 ENOBUFS,      ECONNRESET, ECANCELED};
      require_errno(stream.error(), legal, "connect");
      require(sim_.options().profile == "hostile" || limit.cancelled() || server_ended(),
              "a connect failed without a fault");
      co_return;
    }
    const auto address = stream->local_address();
    require(address.has_value(), "a stream without an address");
    auto talk = [this, &stream](TaskGroup& group) { return converse(*stream, group); };
    co_await with_task_group(io_, talk);
    judge(*address, limit.cancelled());
  }

 private:
  bool server_ended() const { return io_.now() >= server_end_; }
  Nanoseconds upto(std::uint64_t most_ms) {
    return Nanoseconds(random_.below(most_ms * 1'000'000));
  }

  Task<> converse(Stream& stream, TaskGroup& group) {
    if (resetter_) (void)group.spawn([&] { return reset_later(stream); });
    if (!ping_pong_) (void)group.spawn([&] { return send_messages(stream, false); });
    if (ping_pong_) {
      co_await send_messages(stream, true);
    }
    const std::size_t enough = rude_ ? random_.below(longest_) : SIZE_MAX;
    co_await receive_until(stream, enough);
    if (received_.size() >= enough) left_ = true;
    group.cancel();
  }

  Task<> reset_later(Stream& stream) {
    const auto address = stream.local_address();
    auto slept = co_await io_.sleep(upto(10));
    if (slept) sim_.reset_connection(*address);
  }

  std::string message() {
    std::string text(1 + random_.below(longest_), ' ');
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i % 8 == 0) bits = random_.next();
      text[i] = static_cast<char>('a' + (bits & 0xff) % 26);
      bits >>= 8;
    }
    return text;
  }

  Task<> send_messages(Stream& stream, bool with_answers) {
    for (std::uint64_t i = 0; i < messages_; ++i) {
      if (random_.chance(1, 3)) (void)co_await io_.sleep(upto(3));
      const std::string text = message();
      sent_ += text;
      auto sent = co_await send(stream, text);
      if (!sent) co_return check_error(sent.error());
      if (with_answers) {
        co_await receive_until(stream, sent_.size());
      }
    }
    require(stream.shutdown_send().has_value(), "shutdown failed");
    finished_ = true;
  }

  // In one piece or in several, empty ones among them.
  Task<Result<>> send(Stream& stream, std::string_view text) {
    if (random_.chance(1, 2)) {
      auto sent = co_await stream.send_all(text);
      co_return sent;
    }
    std::array<Part, 4> parts{};
    for (Part& part : parts) {
      const auto some = &part == &parts.back() ? text.size() : random_.below(text.size() + 1);
      part = text.substr(0, some);
      text.remove_prefix(some);
    }
    auto sent = co_await stream.send_all(std::span<const Part>(parts));
    co_return sent;
  }

  // Until `total` bytes have come in all, the end, or an error.
  Task<> receive_until(Stream& stream, std::size_t total) {
    while (received_.size() < total && !ended_ && !failed_) {
      if (slow_) (void)co_await io_.sleep(upto(2));
      CancelScope moment(io_, impatient_ ? deadline_after(io_.now(), upto(2)) : never);
      Result<std::size_t> count = co_await receive_some(stream);
      if (!count && moment.timed_out() && count.error() == std::errc::timed_out) continue;
      if (!count) co_return check_error(count.error());
      ended_ = *count == 0;
    }
  }

  Task<Result<std::size_t>> receive_some(Stream& stream) {
    if (leases_) {
      auto chunk = co_await stream.receive();
      if (!chunk) co_return fail(chunk.error());
      received_ += chunk->text();
      co_return chunk->size();
    }
    std::array<char, 48> room;
    const auto size = 1 + random_.below(room.size());
    auto count = co_await stream.receive_into(std::as_writable_bytes(std::span(room).first(size)));
    if (!count) co_return fail(count.error());
    received_.append(room.data(), *count);
    co_return *count;
  }

  void check_error(std::error_code error) {
    failed_ = true;
    constexpr std::array legal{ECONNRESET, EPIPE, ECANCELED, ETIMEDOUT};
    require_errno(error, legal, "stream");
  }

  void judge(const os::Address& address, bool cancelled) {
    require(upper_of(sent_).starts_with(received_), "not what was sent");
    if (sim_.was_reset(address) || cancelled || left_) return;
    if (server_ended() || io_.draining()) return;
    require(finished_, "it could not send everything");
    require(ended_, "there was no end");
    require(received_.size() == sent_.size(), "bytes are missing");
  }

  Io& io_;
  SimDriver& sim_;
  os::Address server_;
  Deadline server_end_;
  Random random_;
  bool ping_pong_, slow_, impatient_, rude_, resetter_, limited_, leases_;
  std::uint64_t messages_, longest_;
  std::string sent_, received_;
  bool finished_ = false, ended_ = false, failed_ = false, left_ = false;
};

inline Task<> run_client(Io& io, SimDriver& sim, os::Address server, std::uint64_t seed,
                         Deadline server_end) {
  EchoClient client(io, sim, server, seed, server_end);
  co_await client.run();
}

// Serves until cancelled or `deadline`, when its handlers are cancelled as well.
inline Task<> run_server(Io& io, EchoServer& server, Listener& listener, Deadline deadline) {
  CancelScope life(io, deadline);
  auto serve = [&](TaskGroup& group) { return server.serve(listener, group); };
  co_await with_task_group(io, serve);
  listener.close();
}

// It is one Io: the clients see the end of file as well.
inline Task<> drain_later(Io& io, Nanoseconds span) {
  auto slept = co_await io.sleep(span);
  if (slept) io.drain();
}

// The server and 1 to 6 clients; in one run of eight the server is cancelled in the middle, in one
// of 16 the Io is drained.
inline Task<> echo_with(Handler handler, Io& io, SimDriver& sim, Random& random) {
  auto listener =
      io.listen(*os::Address::parse("10.0.0.1:80"), 1 + static_cast<int>(random.below(8)));
  require(listener.has_value(), "cannot listen");
  const auto address = listener->local_address();
  const auto upto_ms = [&](std::uint64_t most) {
    return Nanoseconds(random.below(most * 1'000'000));
  };
  const Nanoseconds patience = std::chrono::milliseconds(1) + upto_ms(20);
  EchoServer server(io, handler, random.chance(1, 4) ? patience : Nanoseconds::zero());
  const Deadline end = random.chance(1, 8) ? deadline_after(io.now(), upto_ms(20)) : never;
  auto clients = [&](TaskGroup& group) -> Task<> {
    for (auto count = 1 + random.below(6); count > 0; --count) {
      (void)group.spawn(run_client, io, sim, *address, random.next(), end);
    }
    co_return;
  };
  auto everything = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(run_server, io, server, *listener, end);
    if (random.chance(1, 16)) (void)group.spawn(drain_later, io, upto_ms(20));
    co_await with_task_group(io, clients);
    group.cancel();
  };
  co_await with_task_group(io, everything);
}

inline Scenario echo_scenario(Handler handler) {
  return [handler](Io& io, SimDriver& sim, Random& random) {
    return echo_with(handler, io, sim, random);
  };
}

}  // namespace polyio::sim_test
