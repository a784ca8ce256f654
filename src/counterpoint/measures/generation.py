from counterpoint.measures.asked import Section


def generation(asked):
    return Section({}, {"why_not": "soon"})
