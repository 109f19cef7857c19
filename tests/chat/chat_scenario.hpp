// The chat scenario: the chat's own handler behind an accept loop, and two to six clients, all on
// one Io over the sim driver's network. When all clients have gone the sessions must end soon and
// by themselves, and the room must be empty.
#pragma once

#include <chat/sessions/sessions.hpp>

#include "page_client.hpp"

namespace polyio::chat_test {

// What happened in the runs of a test, to show that they covered something.
struct Tally {
  std::uint64_t heard = 0, gaps = 0, orderly = 0, clients = 0, disturbed = 0;
};

class ChatRun {
 public:
  ChatRun(Io& io, SimDriver& sim, Random& random, Tally& tally)
      : io_(io),
        random_(random),
        tally_(tally),
        record_(io),
        world_{io, sim, *os::Address::parse("10.0.0.1:80"), {}, record_},
        chat_(options()) {
    const std::vector<Io*> homes{&io};
    chat_.open(homes);
  }

  Task<> run() {
    auto listener = io_.listen(world_.server, 1 + static_cast<int>(random_.below(8)));
    require(listener.has_value(), "cannot listen");
    const auto kind = random_.below(16);
    const bool cut = kind < 2, drained = kind == 2;
    world_.disturbed = cut || drained;
    const Nanoseconds span = upto(20ms);  // until the server is cancelled, or drained and then cut
    const Deadline end =
        world_.disturbed ? deadline_after(io_.now(), drained ? span + 5s : span) : never;
    auto everything = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return serve(*listener, end); });
      if (drained) (void)group.spawn([&] { return drain_later(span); });
      auto clients = [this](TaskGroup& crowd) { return spawn_clients(crowd); };
      co_await with_task_group(io_, clients);
      everybody_left_ = io_.now();
      if (accepting_) accepting_->cancel();
    };
    co_await with_task_group(io_, everything);
    // The room may still give out what was said last.
    for (int i = 0; i < 1'000 && chat_.lobby(io_).undistributed(); ++i) {
      (void)co_await io_.sleep(1ms);
    }
    judge();
  }

 private:
  chat::ChatOptions& options() {
    chat::ChatOptions& options = world_.options;
    options.max_line = random_.chance(1, 8) && !world_.narrow() ? 8192 : 64 + random_.below(200);
    options.request_timeout = random_.chance(1, 8) ? 10s : 1000s;
    world_.pings_often = random_.chance(1, 8) || options.request_timeout == 10s;
    if (world_.pings_often) options.ping_interval = 1ms + upto(200ms);
    // The network may take a minute for a byte: slow_test.cpp is about slow clients.
    options.line_timeout = options.answer_timeout = options.farewell = 10'000s;
    options.log = [this](std::string_view line) { record_.write(std::string(line)); };
    options.first_guest = chat::first_guest;
    options.write_inline = true;
    return options;
  }
  Nanoseconds upto(Nanoseconds most) {
    return Nanoseconds(random_.below(static_cast<std::uint64_t>(most.count())));
  }

  Task<> serve(Listener& listener, Deadline end) {
    CancelScope life(io_, end);
    auto accept = [&](TaskGroup& group) -> Task<> {
      CancelScope accepting(io_);
      accepting_ = &accepting;
      while (!accepting.cancelled()) {
        auto stream = co_await listener.accept();
        if (stream) {
          (void)group.spawn([&] { return serve_connection(chat_, std::move(*stream)); });
        } else {
          (void)co_await io_.sleep(1ms);
        }
      }
      accepting_ = nullptr;
    };
    co_await with_task_group(io_, accept);
    listener.close();
    ended_ = io_.now();
  }

  Task<> drain_later(Nanoseconds span) {
    auto slept = co_await io_.sleep(span);
    if (slept) io_.drain();
  }

  Task<> spawn_clients(TaskGroup& group) {
    const auto count = 2 + random_.below(random_.chance(1, 2) ? 2 : 5);
    for (unsigned number = 0; number < count; ++number) {
      const std::uint64_t seed = random_.next();
      if (random_.chance(1, 3)) {
        clients_.push_back(std::make_unique<PageClient>(world_, number, seed));
      } else {
        clients_.push_back(std::make_unique<LineClient>(world_, number, seed));
      }
      (void)group.spawn(&Client::run, std::ref(*clients_.back()));
    }
    if (!random_.chance(1, 4)) co_return;
    stranger_ = std::make_unique<Stranger>(world_, random_.next());
    (void)group.spawn(&Stranger::run, std::ref(*stranger_));
  }

  void judge() {
    require(ended_ - everybody_left_ < 20s, "a session goes on without its client");
    require(chat_.lobby(io_).listening() == 0, "a client still listens");
    require(chat_.people() == 0, "a client is still present");
    judge_senders();
    for (const auto& client : clients_) {
      tally_.heard += client->hearing().heard();
      tally_.gaps += client->hearing().gaps();
      tally_.orderly += client->orderly();
      ++tally_.clients;
    }
    tally_.disturbed += world_.disturbed;
  }

  // What a client said was said once and in order, and all of it if it left in an orderly way.
  void judge_senders() {
    std::vector<std::size_t> next(clients_.size(), 0);
    for (const std::size_t index : record_.said()) {
      std::string_view text = record_.all()[index].text;
      const std::string_view whole = text;
      if (text.starts_with("GET ")) text.remove_prefix(4);
      unsigned number = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
      const bool tagged = parsed.ec == std::errc{} && parsed.ptr != text.data() + text.size() &&
                          *parsed.ptr == '.' && number < clients_.size();
      if (!tagged) continue;  // a stranger's
      const auto& said = clients_[number]->said();
      require(next[number] < said.size(), "something was said twice");
      require(
          whole == escape_for_log(said[next[number]], 1024),
          fmt::format("lost, twice or out of order: {} instead of {}", whole, said[next[number]]));
      ++next[number];
    }
    for (const auto& client : clients_) {
      const bool all = next[client->number()] == client->said().size();
      require(all || !client->orderly(), "not all that was said arrived");
    }
  }

  Io& io_;
  Random& random_;
  Tally& tally_;
  Record record_;
  World world_;
  chat::Chat chat_;
  CancelScope* accepting_ = nullptr;
  TimePoint everybody_left_{}, ended_{};
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<Stranger> stranger_;
};

inline Task<> run_chat(Io& io, SimDriver& sim, Random& random, Tally& tally) {
  ChatRun run(io, sim, random, tally);
  co_await run.run();
}

inline sim_test::Scenario chat_scenario(Tally& tally) {
  return
      [&tally](Io& io, SimDriver& sim, Random& random) { return run_chat(io, sim, random, tally); };
}

}  // namespace polyio::chat_test
