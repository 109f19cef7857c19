// Twenty tasks ask an upper-casing server over four connections: pooled_client [HOST:PORT].
#include <fmt/format.h>

#include <polyio/client/connection_pool.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>

using namespace polyio;
using namespace std::chrono_literals;

// Asks once, on one of the pool's connections.
Task<Result<std::string>> ask(ConnectionPool& pool, std::string question) {
  auto lease = co_await pool.acquire(monotonic_now() + 5s);
  if (!lease) co_return fail(lease.error());
  auto sent = co_await lease->stream().send_all(question);
  std::string answer;
  while (sent && answer.size() < question.size()) {
    auto chunk = co_await lease->stream().receive();
    if (!chunk || chunk->empty()) break;
    answer += chunk->text();
  }
  // After a whole answer the connection can be used again; else the rest may still be to come.
  if (answer.size() == question.size()) co_return answer;
  lease->discard();
  co_return fail(Errc::end_of_file);
}

Task<> ask_from_many_tasks(Io& io, std::string server, int& answers) {
  ConnectionPool pool(io, server, {.ceiling = 4, .idle_time = 10s});
  auto one = [&](int number) -> Task<> {
    auto answer = co_await ask(pool, "question " + std::to_string(number));
    if (answer) ++answers;
  };
  auto all = [&](TaskGroup& group) -> Task<> {
    for (int i = 0; i < 20; ++i) (void)group.spawn(one, i);
    co_return;
  };
  co_await with_task_group(io, all);
  const ConnectionPoolStatistics counted = pool.statistics();
  fmt::print("{} answers over {} connections, {} times reused\n", answers, counted.created,
             counted.reused);
}

int main(int argc, char** argv) {
  Io io(make_driver("auto").value());
  int answers = 0;
  io.run(ask_from_many_tasks(io, argc > 1 ? argv[1] : "127.0.0.1:8080", answers));
  return answers == 20 ? 0 : 1;
}
