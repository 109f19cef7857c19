// `polyio lab run`, and `polyio lab` with all its subcommands.
#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "measuring.hpp"

namespace polyio::lab {

void add_run(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "run", "measures models and architectures under the same load, and says which to use");
  auto asked = std::make_shared<Measuring>();
  asked->command = "polyio lab run";
  Dials& dials = asked->dials;
  command
      ->add_option("--models", dials.models, "I/O models, see polyio models [all that work here]")
      ->delimiter(',')
      ->type_name("NAME,...");
  command
      ->add_option("--architectures", dials.architectures,
                   "what runs them [all; with --quick each model's first, and all of the best "
                   "model]")
      ->delimiter(',')
      ->type_name("NAME,...");
  add_load_dials(*command, dials);
  command
      ->add_option("--handler", dials.handlers,
                   "what a request costs: echo, sleep:5ms (the handler waits), cpu:200us (it "
                   "computes) [echo]")
      ->delimiter(',')
      ->type_name("HANDLER,...");
  add_measuring(*command, *asked, "short runs, 3 rounds: one to two minutes");
  command->get_option("--out")->required();
  command->footer(
      "Server and load are processes on cores of their own; every byte is checked. docs/lab.md\n"
      "says what the figures mean.\n"
      "Examples:\n"
      "  polyio lab run --quick --out lab            which model, which architecture, here?\n"
      "  polyio lab run --models epoll,io_uring --connections 1,1000 --out lab2 --svg\n"
      "  polyio lab run --models epoll,blocking --handler cpu:200us --rate 1000 --out lab3");
  command->callback([&run, asked] {
    run = [asked] {
      try {
        const auto plan = make_plan(asked->dials, list_models(), limits_of_this_machine());
        return measure(*asked, settings_of(*asked), plan);
      } catch (const std::exception& error) {
        asked->say(error.what());
        return 1;
      }
    };
  });
}

void add_lab(CLI::App& app, Action& run) {
  auto* lab = app.add_subcommand(
      "lab", "measures models and architectures on this machine: which is best here?");
  lab->require_subcommand(1);
  lab->footer(
      "Examples:\n  polyio lab run --quick --out lab\n  polyio lab claims --quick\n"
      "  polyio lab trace --model epoll\n"
      "  polyio lab live                  turn the dials in a browser while a load runs");
  add_run(*lab, run);
  add_claims(*lab, run);
  add_peers(*lab, run);
  add_compare(*lab, run);
  add_trace(*lab, run);
  add_live(*lab, run);
  add_serve(*lab, run);
  add_calls(*lab, run);
  add_load(*lab, run);
  add_work(*lab, run);
}

}  // namespace polyio::lab
