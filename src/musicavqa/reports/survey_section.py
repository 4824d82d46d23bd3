"""The section of the page that shows the survey's figures, as published and audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musicavqa.catalog import Catalogue
from musicavqa.catalog.schema import SCORES
from musicavqa.reports import survey, survey_figures
from musicavqa.reports.markup import details, figure, paragraph, section, table


def build(catalogue: Catalogue) -> str:
    """The whole section as HTML."""
    published = survey.published_bars(catalogue)
    audited = survey.audited_bars(catalogue)
    recent = [bar for bar in audited if bar.method.year >= survey.RECENT]
    robust = survey.robustness_bars(catalogue)
    return section(
        "survey",
        "The survey's figures, as published and audited",
        paragraph(
            "As published repeats the bars and polygons of the survey with their mistakes; a star "
            "marks values that differ from their source, have none, belong to another method or "
            "come from a sample of 933 questions. Audited shows one row per method of the survey, "
            "trained on the task and scored on the whole test set, with counting and location in "
            "their places; a star marks unreproduced values."
        ),
        _radars(catalogue, audited, recent, robust),
        _reproduction(catalogue),
        "<h3>Bars per cell</h3>",
        *(_cell_bars(catalogue, column, published, audited) for column in SCORES),
        "<h3>What the means hide</h3>",
        figure(
            survey_figures.timeline(survey.comparable(catalogue)),
            "Overall accuracy of all comparable methods against year. Methods without the mark "
            "are either older or language models; those with it lie between 2021 and 2026.",
            "Year and backbone go with the mark: early methods have neither it nor pretrained "
            "encoders. Successors of the survey's methods are included.",
        ),
    )


def _radars(
    catalogue: Catalogue,
    audited: Sequence[survey.Bar],
    recent: Sequence[survey.Bar],
    robust: Sequence[survey.Bar],
) -> str:
    drawn = []
    for benchmark in ("music-avqa", "music-avqa-r"):
        polygons = {
            _colour(p.spatial_temporal): p.scores
            for p in catalogue.polygons
            if p.benchmark == benchmark
        }
        note = next(p.note for p in catalogue.polygons if p.benchmark == benchmark)
        drawn.append(_radar(polygons, f"{benchmark.upper()}, as published", note.capitalize()))
    for title, bars in (
        ("MUSIC-AVQA, audited", audited),
        (f"MUSIC-AVQA, audited, {survey.RECENT} or later", recent),
        ("Questions of MUSIC-AVQA-R, audited (FortisAVQA)", robust),
    ):
        drawn.append(_mean_radar(bars, title))
    return f'<div class="figures">{"".join(drawn)}</div>'


def _colour(marked: bool) -> str:
    return "with spatial-temporal design" if marked else "without"


def _mean_radar(bars: Sequence[survey.Bar], title: str) -> str:
    polygons, counts = {}, []
    for marked in (True, False):
        means = {column: survey.mean(bars, column, marked) for column in SCORES}
        sizes = [n for _, n in means.values()]
        polygons[_colour(marked)] = {
            c: value for c, (value, _) in means.items() if value is not None
        }
        span = " to ".join(str(n) for n in dict.fromkeys((min(sizes), max(sizes))))
        counts.append(f"{span} methods {_colour(marked)}")
    return _radar(polygons, title, f"Means over {' and '.join(counts)}, by axis.")


def _radar(polygons: Mapping[str, Mapping[str, float]], title: str, note: str) -> str:
    one, two = polygons.values()
    gaps = {name: one[name] - two[name] for name in one if name in two}
    widest = max(gaps, key=lambda name: abs(gaps[name]))
    described = (
        f"Radar chart of {title}: mean accuracy with and without spatial-temporal design. The "
        f"widest gap is {gaps[widest]:+.1f} points on {survey.TITLES[widest].lower()}."
    )
    return figure(survey_figures.radar(polygons, title), described, note)


def _reproduction(catalogue: Catalogue) -> str:
    every = survey.reproduction(catalogue)
    axes = [axis for axis in every if axis.recomputed is not None]
    rows = [
        {
            "axis": survey.TITLES[axis.column],
            "benchmark": axis.benchmark,
            "ST": axis.marked,
            "published": axis.published,
            "recomputed": axis.recomputed,
            "methods": axis.n or None,
            "from": axis.how,
            "agrees": axis.agrees,
        }
        for axis in axes
    ]
    agreeing = sum(axis.agrees for axis in axes)
    return details(
        f"Published polygons recomputed: {agreeing} of {len(axes)} axes agree to "
        f"{survey.AGREES} points",
        paragraph(
            f"{len(every) - len(axes)} axes (MUSIC-AVQA-R) cannot be recomputed: which methods "
            f"enter is not stated and no rows per method are published."
        ),
        table(tuple(rows[0]), rows, "Polygons recomputed"),
    )


def _cell_bars(
    catalogue: Catalogue,
    column: str,
    published: Sequence[survey.Bar],
    audited: Sequence[survey.Bar],
) -> str:
    drawn = []
    for variant, bars in (("as published", published), ("audited", audited)):
        if not any(column in bar.row.scores for bar in bars):
            continue
        (with_mark, n), (without, m) = (
            survey.mean(bars, column, marked) for marked in (True, False)
        )
        described = (
            f"{survey.TITLES[column]}, {variant}: "
            f"{n} methods with spatial-temporal design (green), mean {with_mark or 0:.1f}; "
            f"{m} without (blue), mean {without or 0:.1f}."
        )
        title = survey_figures.titled(column, variant)
        doubted = {bar.label for bar in bars if survey.doubted(catalogue, bar, column)}
        drawn.append(
            figure(survey_figures.bars(bars, column, title, doubted), described, described)
        )
    charted = "" if len(drawn) == 2 else " (no chart in the survey)"
    return details(
        survey.TITLES[column] + charted,
        f'<div class="figures">{"".join(drawn)}</div>',
        is_open=column == "avg",
    )
