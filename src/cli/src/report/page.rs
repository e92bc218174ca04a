//! The page: one file of HTML that needs nothing else, on light and on dark paper.

use std::collections::BTreeMap;
use std::fmt::Write;

use plotters::style::RGBColor;

use super::pictures::{self, FirstAndLast};
use super::{table, world_model};
use crate::picture::{COLORS, GREY, INK, Picture};
use crate::results::figures::{FinalFigures, MetricFigures, Report};
use crate::results::run::Run;
use crate::text::{counted, duration, escape, number, number_or_dash, words};

/// The whole page.
pub(super) fn page(run: &Run, report: &Report) -> anyhow::Result<String> {
    let (style, script) = (include_str!("page.css"), include_str!("page.js"));
    let name = escape(&report.experiment);
    let sections = [
        head(run, report),
        final_evaluation(run, report),
        objective(run)?,
        over_the_trajectory(run)?,
        world_model::chapter(run)?,
        diagnostics(run)?,
        cost(report),
        trajectories(run),
    ];
    let body = sections.concat();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name} – trainpilot</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    ))
}

fn head(run: &Run, report: &Report) -> String {
    let (algorithm, objective) = (escape(&run.algorithm_and_preset()), escape(&words(&run.problem.objective.metric)));
    let steered: Vec<String> = run.problem.hyperparameters.iter().map(|h| escape(&words(&h.name))).collect();
    let lead = format!(
        "{algorithm} steers {} over {} env steps, for the best {objective} at the end. {}",
        steered.join(", "),
        run.problem.env_steps,
        standing(run)
    );
    let each = if run.experiment.spec.repetitions > 1 { " for each repetition" } else { "" };
    let mut numbers = vec![(number(report.fte), format!("full-training equivalents{each}"))];
    if let Some(evaluation) = &report.final_evaluation {
        let first = std::iter::once(run.problem.objective_metric());
        for metric in first.chain(run.problem.metrics.iter().filter(|metric| !metric.observed)) {
            if let Some(figures) = evaluation.metrics.get(&metric.name) {
                let [low, high] = figures.estimate.ci95.map(number);
                numbers.push((number(figures.estimate.mean), format!("{} ({low} to {high})", words(&metric.name))));
            }
        }
    }
    let item = |(value, what): &(String, String)| format!("<li><b>{value}</b><span>{}</span></li>", escape(what));
    let numbers: String = numbers.iter().map(item).collect();
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{lead}</p>\n<ul class=\"numbers\">{numbers}</ul>\n</header>\n",
        escape(&report.experiment)
    )
}

/// How far the run is.
fn standing(run: &Run) -> String {
    let wanted = run.experiment.spec.repetitions as usize;
    let finished = run.final_evaluations().count();
    if finished == wanted {
        return if wanted == 1 { "Finished.".to_owned() } else { format!("All {wanted} repetitions are finished.") };
    }
    let gathered: Vec<String> = run.repetitions.iter().map(|r| r.epochs.len().to_string()).collect();
    let gathered = if gathered.is_empty() { "0".to_owned() } else { gathered.join(", ") };
    format!(
        "Unfinished: {gathered} of {} epochs are gathered, {finished} of {wanted} repetitions are finished.",
        run.epochs
    )
}

fn final_evaluation(run: &Run, report: &Report) -> String {
    let mut html = String::from("<section>\n<h2>Final evaluation</h2>\n");
    let Some(evaluation) = &report.final_evaluation else {
        return html + "<p class=\"note\">It has not been gathered yet.</p>\n</section>\n";
    };
    html += &format!(
        "<p>{} with the frozen policy, on seeds that no learning used{}. Intervals are 95 % bootstrap intervals of the mean, \
         resampled within repetitions; the interquartile mean leaves out the lowest and the highest quarter.</p>\n",
        counted(evaluation.trajectories, "trajectory", "trajectories"),
        exceptions(evaluation)
    );
    html += &metrics_table(run, &evaluation.metrics);
    for (task, figures) in &evaluation.tasks {
        html += &format!(
            "<h3>Task {}</h3>\n<p class=\"note\">{}</p>\n{}",
            escape(task),
            counted(figures.trajectories, "trajectory", "trajectories"),
            metrics_table(run, &figures.metrics)
        );
    }
    html + "</section>\n"
}

fn exceptions(evaluation: &FinalFigures) -> String {
    let mut text = String::new();
    if evaluation.diverged > 0 {
        text += &format!("; {} diverged and counted with the worst value", evaluation.diverged);
    }
    if evaluation.lost > 0 {
        text += &format!("; {} lost and left out", counted(evaluation.lost, "was", "were"));
    }
    text
}

fn metrics_table(run: &Run, metrics: &BTreeMap<String, MetricFigures>) -> String {
    let repetitions = metrics.values().map(|figures| figures.repetition_means.len()).max().unwrap_or_default();
    let mut html = String::from("<div class=\"wide\"><table><thead><tr><th scope=\"col\">metric</th>");
    for heading in ["mean", "95 % interval", "interquartile mean"] {
        html += &format!("<th scope=\"col\">{heading}</th>");
    }
    if repetitions > 1 {
        html.extend((0..repetitions).map(|repetition| format!("<th scope=\"col\">repetition {repetition}</th>")));
    }
    html += "</tr></thead><tbody>\n";
    let in_order = run.problem.metrics.iter().filter_map(|metric| Some((metric, metrics.get(&metric.name)?)));
    for (metric, MetricFigures { estimate, repetition_means }) in in_order {
        let [low, high] = estimate.ci95.map(number);
        let name = escape(&words(&metric.name));
        html += &format!(
            "<tr><td>{name}</td><td>{}</td><td>{low} to {high}</td><td>{}</td>",
            number(estimate.mean),
            number(estimate.iqm)
        );
        if repetitions > 1 {
            html.extend(repetition_means.iter().map(|mean| format!("<td>{}</td>", number_or_dash(*mean))));
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

fn objective(run: &Run) -> anyhow::Result<String> {
    let pictures = pictures::objective(run);
    if pictures.is_empty() {
        return Ok(String::new());
    }
    let whose = if run.repetitions.len() > 1 { "mean of all repetitions" } else { "mean" };
    let mut legend = vec![(INK, format!("{whose}, with its 95 % interval"))];
    if run.repetitions.len() > 1 {
        legend.extend(repetitions(run));
    }
    if run.final_evaluations().count() == run.repetitions.len() {
        legend.push((COLORS[4], "final evaluation".to_owned()));
    }
    section(
        "Objective against price",
        "At the end of the trajectories of each epoch, over the full-training equivalents spent until then: all env steps \
         really trained, those of failed attempts included, divided by the env steps of one training.",
        &pictures,
        &legend,
    )
}

/// Colour and name of each repetition.
fn repetitions(run: &Run) -> Vec<(RGBColor, String)> {
    let name = |(place, r): (usize, &crate::results::run::Repetition)| {
        (pictures::color(place), format!("repetition {}", r.repetition))
    };
    run.repetitions.iter().enumerate().map(name).collect()
}

fn over_the_trajectory(run: &Run) -> anyhow::Result<String> {
    let compared = FirstAndLast::of(run);
    let hyperparameters = run.problem.hyperparameters.iter().enumerate();
    let schedules: Vec<Picture> = hyperparameters.map(|(place, h)| compared.schedule(place, h)).collect();
    let metrics = run.problem.metrics.iter().enumerate();
    let metrics: Vec<Picture> = metrics.map(|(place, metric)| compared.metric(place, metric)).collect();
    let finished = run.final_evaluations().count() == run.repetitions.len();
    let last = if finished { "final evaluation" } else { "latest epoch of each repetition" };
    let mut legend = vec![(COLORS[0], last.to_owned())];
    if compared.compares() {
        legend.insert(0, (GREY, "first epoch".to_owned()));
    }
    let bands = "Medians over the trajectories, with the middle 50 % and 80 % of them; one that ended early counts as long as it lasted.";
    let chosen = format!("The values in force, on a logarithmic axis. {bands}");
    Ok(section("Chosen schedules", &chosen, &schedules, &legend)? + &section("Metrics", bands, &metrics, &legend)?)
}

fn diagnostics(run: &Run) -> anyhow::Result<String> {
    let pictures = pictures::diagnostics(run);
    if pictures.is_empty() {
        return Ok(String::new());
    }
    section("Learning", "What each epoch's learning gave.", &pictures, &repetitions(run))
}

pub(super) fn section(
    title: &str,
    text: &str,
    pictures: &[Picture],
    legend: &[(RGBColor, String)],
) -> anyhow::Result<String> {
    let drawn: Vec<String> = pictures.iter().map(Picture::svg).collect::<anyhow::Result<_>>()?;
    let item = |(color, name): &(RGBColor, String)| {
        let RGBColor(r, g, b) = *color;
        let color = if *color == INK { "var(--ink)".to_owned() } else { format!("#{r:02x}{g:02x}{b:02x}") };
        format!("<li><i style=\"background:{color}\"></i>{}</li>", escape(name))
    };
    let legend: String = legend.iter().map(item).collect();
    Ok(format!(
        "<section>\n<h2>{title}</h2>\n<p class=\"note\">{text}</p>\n<ul class=\"legend\">{legend}</ul>\n\
         <div class=\"pictures\">\n{}</div>\n</section>\n",
        drawn.concat()
    ))
}

fn cost(report: &Report) -> String {
    let cost = &report.cost;
    let rows = [
        ("learning, all repetitions", format!("{} FTE", number(cost.fte_learning))),
        ("final evaluation", format!("{} FTE", number(cost.fte_final_evaluation))),
        ("env steps trained", cost.env_steps.to_string()),
        ("attempts", cost.attempts.to_string()),
        ("attempts lost", cost.lost_attempts.to_string()),
        ("time in trainings, one after the other", duration(cost.training_seconds)),
        ("time in learning, one after the other", duration(cost.learning_seconds)),
        ("time from the first epoch to the last policy", duration(cost.wall_seconds)),
    ];
    let mut html = String::from("<section>\n<h2>What it cost</h2>\n<table><tbody>\n");
    for (what, value) in rows {
        html.push_str(&format!("<tr><td>{what}</td><td>{value}</td></tr>\n"));
    }
    html + "</tbody></table>\n</section>\n"
}

fn trajectories(run: &Run) -> String {
    let mut html = String::from("<section>\n<h2>Every trajectory</h2>\n");
    let attempts: usize =
        run.repetitions.iter().flat_map(|r| r.epochs.iter().chain(&r.final_evaluation)).map(|e| e.attempts.len()).sum();
    let summary = counted(attempts, "attempt", "attempts");
    write!(html, "<details><summary>{summary}; press a heading to sort by it</summary>\n<div class=\"wide\">{}</div></details>\n</section>\n", table::trajectories(run))
        .expect("a string takes everything");
    html
}
